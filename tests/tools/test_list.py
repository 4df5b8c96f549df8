"""Tools that list, or look at files alone, load no framework, so that they answer at once."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Messages of TF Serving lie in tensorflow.core, and need nothing else of TensorFlow.
FRAMEWORKS = ("tensorflow.python", "keras", "onnx", "onnxruntime", "tf2onnx", "openvino", "torch")


def loaded_by(tool: str, *arguments: str) -> tuple[set[str], float]:
    """Return the modules that a tool loads, and the processor's seconds that it takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "tools" / f"{tool}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return names, taken


def check(tool: str, *arguments: str) -> None:
    names, taken = loaded_by(tool, *arguments)
    assert len(names) > 20
    assert not [name for name in names if f"{name}.".startswith(tuple(f"{f}." for f in FRAMEWORKS))]
    # It is a third of this; other processes lengthen it.
    assert taken < 1.5


@pytest.mark.parametrize("tool", ["list", "doctor"])
def test_what_there_is_is_listed_at_once(tool):
    check(tool)


def test_an_artifact_is_reported_bundled_and_linted_at_once(export_toy, tmp_path):
    artifact, deploy = Path(export_toy("plain", "onnx").folder), str(tmp_path / "deploy")
    exports = tmp_path / "exports"
    shutil.copytree(artifact, exports / "plain" / "onnx")
    check("report", str(exports))
    check("bundle", str(artifact), "--to", deploy)
    check("bundle", "--check", deploy)
