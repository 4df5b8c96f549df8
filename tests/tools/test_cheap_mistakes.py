"""What can be seen to be wrong is told by every tool at once, before TensorFlow loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import report_content

from export.lanes import LANES
from tools import compress, export

ROOT = Path(__file__).parents[2]
# One line: a tool and what it is called with. {a} is an artifact, {f} a file and {d} a folder.
MISTAKES = """\
verify {d}/none
verify {f}
verify {d}
verify {a} --weights {d}/none
verify {a} --weights {d}
verify {a} --images {f}
verify {a} --model {f}
verify {a} --require engin
evaluate {d} --images {d}
evaluate {a} --images {f}
evaluate {a} --images {d} --labels {d}
evaluate {a} --images {d} --batch 0
report {d}/none
report {d}
report {a} --out {d}
report {a} --out {f}/index.html
bundle {d} --to {d}/deploy
bundle {a} --to {f}
bundle {a} --to {d}/deploy --server trito
convert_weights {d}/none --model vgg11 --to npz
convert_weights {d} --model vgg11 --to npz
convert_weights {f} --model vgg1 --to npz
convert_weights {f} --model vgg11 --to npz --out {d}
convert_weights {f} --model vgg11 --to npz --out {f}/x.npz
convert_weights {f} --model vgg11 --to npz --out {d}/x.h5
gate_power --model vgg1
gate_power --seeds -1
benchmark_export --job none
benchmark_export --job vgg19-onnx --before {d}
benchmark_export --job vgg19-onnx --out {d}
measure_tftrt_load {a}
summary vgg1
summary {d}
summary {a}
benchmark {d}/none
benchmark {d}
benchmark {f}
benchmark {a} --out {d}
benchmark {a} --compare {d}/none
benchmark --merge {d}/none
model_table --artifacts {d}/none --out {d}/x.md
model_table --speed {d}/none --out {d}/x.md
model_table --accuracy {f} --out {d}/x.md
model_table --out {f}/x.md
compress --model vgg1 --prune 0.5
compress --model squeezenet1_1
compress --model squeezenet1_1 --prune much
compress --model squeezenet1_1 --prune 0.5 --out {f}/x
export --model vgg13 --format onx
export --model vgg13 --format onnx --out {f}
client --url http://127.0.0.1:1 --model vgg13 {d}/none.jpg
"""
RUN = """\
import importlib, json, sys, time
for name, *arguments in json.loads(sys.argv[1]):
    since = time.process_time()
    try:
        importlib.import_module(f"tools.{name}").main(arguments)
    except SystemExit as ended:
        assert ended.code == 2, (name, arguments, ended.code)
    else:
        raise AssertionError((name, arguments))
    print("took", time.process_time() - since)
    assert "tensorflow" not in sys.modules and "keras" not in sys.modules, (name, arguments)
"""


def test_every_tool_tells_cheap_mistakes_before_tensorflow_loads(tmp_path):
    """Measured by the processor, so that a busy machine does not fail it."""
    place = {"a": tmp_path / "vgg13" / "onnx", "d": tmp_path / "empty", "f": tmp_path / "file.txt"}
    for folder in (place["a"], place["d"]):
        folder.mkdir(parents=True)
    place["f"].write_text("a text\n")
    (place["a"] / "report.json").write_text(json.dumps(report_content.content()))
    mistakes = [line.format(**place).split() for line in MISTAKES.splitlines()]
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(mistakes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    took = [float(line[5:]) for line in done.stdout.splitlines() if line.startswith("took ")]
    pairs = zip(mistakes, took, strict=True)
    # 0.3 s is what is wanted; a loaded machine counts more, and TensorFlow takes 3.
    assert [(mistake, seconds) for mistake, seconds in pairs if seconds >= 1] == []
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("tool", "lane", "arguments"),
    [
        (export, "tf217", ["--format", "onnx", "--format", "tftrt-fp16", "--out", "out"]),
        (compress, "tfmot", ["--prune", "0.5"]),
    ],
)
def test_a_lane_that_cannot_be_is_told_of_before_the_network_is_built(
    tool, lane, arguments, capsys, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "file"))
    monkeypatch.setattr(tool, "require_tensorflow", None)  # what comes next
    with pytest.raises(SystemExit) as ended:
        tool.main(["--model", "vgg13", *arguments])
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1)
    assert line.startswith(f"error: the lane {LANES[lane].name} cannot exist here: ")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
