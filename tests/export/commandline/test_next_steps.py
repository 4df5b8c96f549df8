"""What a user is told to do with artifacts."""

import sys
from dataclasses import replace
from pathlib import Path

from export.commandline.next_steps import next_steps
from export.results import Check, Cost, Report, Status


def report_of(folder: str, status=Status.PASSED) -> Report:
    return Report(
        model="toy", format=Path(folder).name, checks=(Check("parity", status),), weights={},
        artifact={}, options={}, cost=Cost(1.0, 1.0, 1), environment={}, folder=folder,
    )  # fmt: skip


def test_one_artifact_is_looked_at_verified_and_served():
    assert next_steps([report_of("my exports/toy/onnx")]) == [
        ("page", "my exports/toy/onnx/report.html"),
        ("verify", "python tools/verify.py 'my exports/toy/onnx'"),
        (
            "serve",
            "python tools/bundle.py 'my exports/toy/onnx' --to deploy/, "
            "after pip install -e '.[serving]'",
        ),
    ]


def test_of_several_the_folder_above_them_is_named():
    steps = dict(next_steps([report_of("out/toy/onnx"), report_of("out/toy/savedmodel")]))
    assert steps["pages"].startswith("python tools/report.py out/toy joins")
    assert steps["verify"] == "python tools/verify.py out/toy"


def test_what_failed_is_not_served():
    failed = report_of("out/toy/onnx", Status.FAILED)
    assert "serve" not in dict(next_steps([failed]))
    assert (
        "out/toy/savedmodel" in dict(next_steps([failed, report_of("out/toy/savedmodel")]))["serve"]
    )
    assert next_steps([]) == []


def test_what_no_server_loads_is_not_served():
    phone = report_of("out/toy/litert")
    assert "serve" not in dict(next_steps([phone]))
    assert "out/toy/onnx" in dict(next_steps([phone, report_of("out/toy/onnx")]))["serve"]


def test_engines_for_a_part_are_accepted_again():
    graph = Check("graph", Status.PASSED, details={"share": 0.5})
    partial = replace(report_of("out/toy/tftrt-fp16"), checks=(graph,))
    steps = dict(next_steps([partial, report_of("out/toy/onnx")]))
    assert steps["verify"] == "python tools/verify.py out/toy --partial-engines"


def test_steps_name_the_console_where_it_runs(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/venv/bin/keras-nets"])
    steps = dict(next_steps([report_of("out/toy/onnx")]))
    assert steps["verify"] == "keras-nets verify out/toy/onnx"
    assert steps["serve"].startswith("keras-nets bundle out/toy/onnx --to deploy/")
