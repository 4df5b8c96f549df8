"""What can be seen to be wrong is told by every tool at once, before TensorFlow loads."""

import json
import subprocess
import sys
from pathlib import Path

import report_content

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
measure_tftrt_load {a}
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
