"""Looking at an artifact in a process of its own."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from export.formats import find_format
from export.observe.artifact import observe, observer
from export.process import ChildFailed


def test_a_child_sees_what_is_seen_here(written, look, reference, tmp_path):
    folder, images = written("plain", "onnx"), reference("plain").inputs
    there, here = observe("onnx", folder, images, tmp_path), look("onnx", folder, images)
    assert (there.contract, there.weights, there.graph, there.ran) == (
        here.contract, here.weights, here.graph, here.ran,
    )  # fmt: skip
    np.testing.assert_array_equal(there.outputs["logits"], here.outputs["logits"])
    assert there.error == ""
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


# Says at the end of an answer what was imported.
WITNESS = f"""
import sys
sys.path.insert(1, {str(Path(__file__).parents[3])!r})
from export.observe import artifact

def work(job, arrays):
    for answer, more in artifact.work(job, arrays):
        yield {{**answer, "ran": " ".join(sys.modules)}}, more
"""


def test_onnx_is_looked_at_without_tensorflow(written, reference, tmp_path, monkeypatch):
    (tmp_path / "witness.py").write_text(WITNESS)
    monkeypatch.setattr("export.process.ROOT", tmp_path)
    monkeypatch.setattr("export.observe.artifact.__name__", "witness")
    seen = observe("onnx", written("plain", "onnx"), reference("plain").inputs, tmp_path)
    assert seen.error == ""
    assert seen.outputs["logits"].shape == (8, 5)
    assert "onnxruntime" in seen.ran.split()
    assert "tensorflow" not in seen.ran.split()


def test_a_missing_artifact_is_told_and_not_raised(tmp_path):
    images = {"image": np.zeros((1, 4, 4, 3), np.float32)}
    seen = observe("onnx", tmp_path / "nowhere", images, tmp_path)
    assert "has no model.onnx; export it again" in seen.error
    assert (seen.contract.inputs, seen.weights, seen.graph, seen.outputs) == ((), (), {}, {})


def test_what_weights_lack_is_told_before_what_a_runtime_says_of_it(written, look, tmp_path):
    """It loads them while they are looked at, and its own words are of an operation of its."""
    folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "cut")
    (data,) = folder.rglob("variables.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    seen = look("savedmodel", folder, np.zeros((1, 32, 32, 3), np.float32))
    assert seen.failed == "weights"
    assert seen.error
    assert "\n" not in seen.error
    assert seen.weights == ()


def test_an_artifact_for_other_images_is_told_in_one_line(written, look):
    seen = look("onnx", written("plain", "onnx"), np.zeros((2, 8, 8, 3), np.float32))
    assert seen.error
    assert "\n" not in seen.error
    assert seen.contract.inputs, "what was seen before it ran is kept"


def test_a_child_that_dies_is_an_export_error_and_leaves_no_images(tmp_path, monkeypatch):
    (tmp_path / "dying.py").write_text("import os\ndef work(job, arrays): os.abort()\n")
    monkeypatch.setattr("export.process.ROOT", tmp_path)
    monkeypatch.setattr("export.observe.artifact.__name__", "dying")
    (tmp_path / "scratch").mkdir()
    images = {"image": np.zeros((1, 4, 4, 3), np.float32)}
    with pytest.raises(ChildFailed, match="^observe died of signal 6"):
        observe("onnx", tmp_path, images, tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "here"),
    [("savedmodel", True), ("onnx", False), ("openvino", False), ("litert", False)],
)
def test_only_what_tensorflow_runs_is_looked_at_in_the_process_that_wrote_it(name, here, tmp_path):
    import onnxruntime  # noqa: F401 (as formats of fewer bits have it loaded)
    import tensorflow  # noqa: F401 (as every export has it loaded)

    with observer(find_format(name), tmp_path, trusted=True) as one:
        assert (not hasattr(one, "running")) is here
