"""Artifacts made by processes of their own, and what is taken down of them."""

import json

import pytest

from export.study.precision.measuring import Held, export_once, stock_once
from export.study.precision.record import Record, add_record, read_records
from export.study.zoo.running import Bounds

KEY = ("toy", "onnx-int8", "")
PARITY = {
    "name": "parity",
    "status": "passed",
    "measured": 0.1,
    "allowed": 0.4,
    "note": "",
    "details": {
        "halves": {"exact": {"measured": 1e-6, "allowed": 2e-5}},
        "agreement": {"equal": 31, "of": 32},
    },
}
REPORT = {
    "passed": True,
    "checks": [PARITY],
    "artifact": {"bytes": 100, "kept": {"conv1": "asked for"}},
    "calibration": {"count": 128},
    "cost": {"cpu_s": 7.5},
}
EXPORT = """
import json, os, sys, time
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1], "toy", "onnx-int8")
out.mkdir(parents=True)
(out / "model.onnx").write_bytes(b"weights")
os.utime(out / "model.onnx", (time.time() + 40, time.time() + 40))
os.utime(out, (time.time() + 90, time.time() + 90))
(out / "report.json").write_text("{}")
os.utime(out / "report.json", (time.time() + 90, time.time() + 90))
print(%r)
"""
EVALUATE = """
import json, sys
assert sys.argv[2:] == ["--images", "held-out", "--no-keras", "--json"], sys.argv
print(json.dumps({"images": {"pictures": 360}, "networks": [{"top1": 0.975}]}))
"""


@pytest.fixture
def script(tmp_path):
    """A function from a name and Python to the command that runs it."""

    def written(name: str, text: str) -> list[str]:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return [str(path)]

    return written


def test_an_export_is_taken_down_with_its_accuracy(script, tmp_path):
    export = script("export", EXPORT % json.dumps(REPORT))
    held = Held(command=script("evaluate", EVALUATE), images="held-out")
    record = export_once(KEY, export, Bounds(), "a machine", held)
    assert (record.verdict, record.error, record.exact) == ("verified", 0.1, 1e-6)
    assert (record.equal, record.held_out, record.calibrated) == (31, 32, 128)
    assert (record.accuracy, record.pictures, record.kept) == (0.975, 360, ("conv1",))
    assert record.wall_s > 0 and record.cpu_s == 7.5
    assert 40 <= record.written_s < 80, "its report was written later"


def test_what_others_wrote_is_the_last_number_that_they_print(script):
    record = stock_once(("toy", "onnx", "theirs"), script("s", "print(1234)"), Bounds(), "")
    assert (record.verdict, record.bytes, record.converter) == ("verified", 1234, "theirs")
    broken = stock_once(
        ("toy", "onnx", "theirs"), script("b", "raise ValueError('no')"), Bounds(), ""
    )
    assert (broken.verdict, broken.line, broken.bytes) == ("failed", "ValueError: no", 0)


def test_the_last_record_of_a_key_counts(tmp_path):
    path = tmp_path / "precision.jsonl"
    for number in (1, 2):
        add_record(path, Record(network="toy", format="onnx", verdict="verified", bytes=number))
    add_record(path, Record(network="toy", format="onnx-fp16", verdict="failed", kept=("conv1",)))
    found = read_records(path)
    assert [one.bytes for one in found.values()] == [2, 0]
    assert found["toy", "onnx-fp16", ""].kept == ("conv1",)
    assert read_records(tmp_path / "none") == {}
