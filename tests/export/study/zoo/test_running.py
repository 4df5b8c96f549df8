"""Exports in processes of their own, and what is read from how they end."""

import json

import pytest

from export.study.zoo.running import Bounds, export_once, run, stock_once

CHECKS = [
    {"name": "graph", "status": "passed", "measured": 1, "note": "outside the engine: 2 Cast"},
    {"name": "parity", "status": "passed", "measured": 1e-6, "note": ""},
]
REPORT = {"passed": True, "checks": CHECKS, "artifact": {"bytes": 100}}


def engine(status: str) -> dict:
    return {"name": "engine", "status": status, "measured": None, "note": "no GPU"}


@pytest.fixture
def script(tmp_path):
    """A function from Python to the command that runs it."""

    def written(text: str) -> list[str]:
        path = tmp_path / "script.py"
        path.write_text(text)
        return [str(path)]

    return written


def exported(command, bounds=Bounds()):  # noqa: B008
    (record,) = export_once("toy", ["onnx"], command, bounds, "a machine")
    assert (record.key, record.together) == (("toy", "onnx", ""), False)
    return record


def test_a_report_is_what_came_of_an_export(script):
    slowly = "import time; time.sleep(0.3)"  # or it ends between two looks at its memory
    record = exported(script(f"{slowly}; print({json.dumps(json.dumps(REPORT))})"))
    assert (record.verdict, record.line, record.error) == ("verified", "", 1e-6)
    assert (record.artifact_bytes, record.machine, record.engines) == (100, "a machine", None)
    assert record.wall_s > 0 and record.peak_bytes > 1e6
    assert record.allowed_bytes == 1e9 + 250


def test_engines_and_what_is_outside_of_them_are_kept(script):
    content = REPORT | {"checks": [*CHECKS, engine("skipped")]}
    record = exported(script(f"print({json.dumps(json.dumps(content))})"))
    assert (record.engines, record.outside, record.engine_checked) == (1, "2 Cast", False)


@pytest.mark.parametrize(
    ("note", "outside"),
    [
        ("outside the engine: nothing; explicit batch, a form", "nothing; explicit batch"),
        ("2 engines, half of it; outside, where no TensorRT runs: 2 Cast, of a; do", "2 Cast, of a"
         "; explicit batch"),
        ("2 engines instead of one for the whole network", "; explicit batch"),
    ],
)  # fmt: skip
def test_the_form_of_an_engine_is_kept_beside_what_is_outside(script, note, outside):
    graph = CHECKS[0] | {"note": note, "details": {"batch": "explicit"}}
    content = REPORT | {"checks": [graph, CHECKS[1], engine("skipped")]}
    record = exported(script(f"print({json.dumps(json.dumps(content))})"))
    assert record.outside == outside


def test_checks_that_failed_are_named(script):
    failed = {**CHECKS[1], "status": "failed", "note": "far off"}
    content = REPORT | {"passed": False, "checks": [CHECKS[0], failed]}
    text = f"import sys\nprint({json.dumps(json.dumps(content))})\nsys.exit(1)"
    record = exported(script(text))
    assert (record.verdict, record.line) == ("failed", "parity: far off")


@pytest.mark.parametrize(
    ("text", "verdict", "line"),
    [
        ("sys.exit(print('error: no such thing', file=sys.stderr) or 2)", "refused", "no such"),
        ("sys.exit(print('error: one\\nerror: two', file=sys.stderr) or 2)", "traceback", "status"),
        ("raise KeyError('deep')", "traceback", "KeyError: 'deep'"),
        ("os._exit(3)", "traceback", "exit status 3: without a word"),
        ("time.sleep(60)", "stopped", "stopped after 1 s"),
    ],
)
def test_an_export_without_a_report_was_refused_or_went_wrong(script, text, verdict, line):
    record = exported(script(f"import os, sys, time\n{text}"), Bounds(seconds=1))
    assert record.verdict == verdict and line in record.line
    assert record.artifact_bytes == 0


ALL = ["savedmodel", "onnx", "tftrt-fp16"]
COST = {"wall_s": 3.0, "cpu_s": 2.0, "peak_rss_bytes": 5}
WRITTEN = [json.dumps(REPORT | {"format": name, "cost": COST}) for name in ALL[:2]]


def test_of_several_formats_each_has_its_own_cost_and_what_is_refused_has_its_line(script):
    text = f"import sys\nprint({chr(10).join(WRITTEN)!r})\nprint('error: tftrt-fp16: a loop: no', "
    text += "file=sys.stderr)\nsys.exit(2)"
    found = export_once("toy", ALL, script(text), Bounds(), "")
    assert [(one.verdict, one.line, one.wall_s, one.peak_bytes) for one in found] == [
        ("verified", "", 3.0, 5),
        ("verified", "", 3.0, 5),
        ("refused", "a loop: no", 0.0, 0),
    ]
    assert all(one.together for one in found)


@pytest.mark.parametrize(
    ("lines", "verdicts"),
    [
        (["toy: no such thing"], ["refused"] * 3),
        (["savedmodel, tftrt-fp16: no text", "onnx: no text either"], ["refused"] * 3),
        (["savedmodel: no text"], ["refused", "traceback", "traceback"]),
        (["one", "two"], ["traceback"] * 3),
    ],
)
def test_lines_without_a_format_are_of_all_where_there_is_but_one(script, lines, verdicts):
    text = "import sys, time\ntime.sleep(0.1)\n"
    text += "\n".join(f"print({'error: ' + line!r}, file=sys.stderr)" for line in lines)
    found = export_once("toy", ALL, script(f"{text}\nsys.exit(2)"), Bounds(), "")
    assert [one.verdict for one in found] == verdicts
    assert min(one.wall_s for one in found) > 0, "it is the cost of all that was done"


def test_a_process_that_takes_too_much_is_stopped_with_its_children(script):
    text = "import time\nheld = bytearray(300_000_000)\ntime.sleep(60)"
    done = run(script(text), Bounds(seconds=60, peak_bytes=2e8))
    assert done.stopped == "stopped at 0 GB" and done.cost.wall_s < 30


def test_another_s_converter_ends_well_or_with_its_last_line(script):
    key = ("toy", "onnx", "tf2onnx")
    assert stock_once(key, script("pass"), Bounds(), "").verdict == "verified"
    record = stock_once(key, script("raise ValueError('no')"), Bounds(), "")
    assert (record.verdict, record.line, record.converter) == (
        "failed",
        "ValueError: no",
        "tf2onnx",
    )
