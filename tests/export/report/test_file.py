"""report.json: what is written is what is read, and what is no report says so."""

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from export.errors import ArtifactError
from export.report import file as report
from export.report.file import (
    artifact_files,
    as_dict,
    describe_artifact,
    environment,
    from_dict,
    holds_report,
    read_content,
    read_report,
    write_report,
)
from export.results import Check, Cost, Report, Status

REPORT = Report(
    model="toy",
    format="onnx",
    checks=(
        Check("weights", Status.PASSED, measured=0, allowed=0, unit="tensors", note="3 tensors"),
        Check("engine", Status.SKIPPED, note="needs a GPU"),
    ),
    weights={"source": "seeded:0", "sha256": "ab" * 32},
    artifact={"bytes": 12, "files": {"model.onnx": "cd" * 32}},
    options={"classes": 5, "image": [32, 32, 3], "flavour": "", "batch_sizes": [1], "seed": 0},
    cost=Cost(1.5, 2.5, 3_000_000),
    environment={"python": "3.12.1"},
    command=("python", "tools/export.py"),
    folder="elsewhere",
)
CHECK = {"name": "x", "status": "passed"}
FAILED = replace(
    REPORT, checks=(Check("parity", Status.FAILED, measured=1.0, allowed=1e-4, unit="std"),)
)


def strictly(text: str) -> dict:
    """JSON as the standard has it, with neither NaN nor infinity."""

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_content_is_schema_2():
    told = as_dict(REPORT)
    assert list(told) == [
        "schema", "model", "format", "passed", "verdict", "warnings", "created", "weights",
        "options", "artifact", "checks", "cost", "environment", "command",
    ]  # fmt: skip
    assert (told["schema"], told["passed"], told["verdict"]) == (2, True, "verified except engine")
    assert told["checks"][0] == {
        "name": "weights",
        "status": "passed",
        "measured": 0,
        "allowed": 0,
        "unit": "tensors",
        "note": "3 tensors",
    }
    assert told["cost"] == {"wall_s": 1.5, "cpu_s": 2.5, "peak_rss_bytes": 3_000_000}


def test_a_report_is_read_as_it_was_written(tmp_path):
    write_report(REPORT, tmp_path)
    assert read_report(tmp_path) == REPORT
    assert read_report(tmp_path).folder == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_it_passes_when_no_check_failed():
    assert REPORT.passed
    assert not FAILED.passed
    assert not replace(REPORT, checks=REPORT.checks + FAILED.checks).passed
    assert as_dict(FAILED)["passed"] is False


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_are_left_out(tmp_path, measured):
    broken = replace(FAILED.checks[0], measured=measured, note="not finite")
    write_report(replace(REPORT, checks=(broken,)), tmp_path)
    (told,) = strictly((tmp_path / "report.json").read_text())["checks"]
    assert (told["measured"], told["note"]) == (None, "not finite")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '"text"',
        "{}",
        '{"schema": 1}',
        json.dumps({**as_dict(REPORT), "checks": [{"name": "x", "status": "perhaps"}]}),
        json.dumps({**as_dict(REPORT), "checks": [{"nome": "x", "status": "passed"}]}),
        json.dumps({**as_dict(REPORT), "cost": {}}),
        json.dumps({**as_dict(REPORT), "command": None}),
        json.dumps({**as_dict(REPORT), "model": ["toy"]}),
        json.dumps({**as_dict(REPORT), "artifact": []}),
        json.dumps({**as_dict(REPORT), "artifact": {"bytes": 3}}),
        json.dumps({**as_dict(REPORT), "artifact": {"bytes": 3, "files": ["model.onnx"]}}),
        json.dumps({**as_dict(REPORT), "weights": {"source": "seeded:0"}}),
        json.dumps({**as_dict(REPORT), "environment": []}),
        json.dumps({**as_dict(REPORT), "options": {"seed": "x"}}),
        json.dumps({**as_dict(REPORT), "options": {"classes": "ten"}}),
        json.dumps({**as_dict(REPORT), "options": {"image": [64, 64, "3"]}}),
        json.dumps({**as_dict(REPORT), "options": {"batch_sizes": 5}}),
        json.dumps({**as_dict(REPORT), "options": {"image": [10**400, True, 3]}}),
        json.dumps({**as_dict(REPORT), "artifact": {"bytes": True, "files": {}}}),
        json.dumps({**as_dict(REPORT), "artifact": {"bytes": 10**400, "files": {}}}),
        json.dumps({**as_dict(REPORT), "artifact": {"bytes": 3, "files": {"a": None}}}),
        json.dumps({**as_dict(REPORT), "cost": {**as_dict(REPORT)["cost"], "wall_s": "1"}}),
        json.dumps({**as_dict(REPORT), "cost": {**as_dict(REPORT)["cost"], "cpu_s": math.nan}}),
        json.dumps({**as_dict(REPORT), "checks": ["parity"]}),
        json.dumps({**as_dict(REPORT), "checks": [{"name": ["x"], "status": "passed"}]}),
        json.dumps({**as_dict(REPORT), "checks": [{"name": "x", "status": "passed", "unit": 1}]}),
        json.dumps({**as_dict(REPORT), "checks": [CHECK | {"measured": "0"}]}),
        json.dumps({**as_dict(REPORT), "checks": [CHECK | {"measured": math.inf}]}),
        json.dumps({**as_dict(REPORT), "checks": [CHECK | {"allowed": 10**400}]}),
        json.dumps({**as_dict(REPORT), "checks": [CHECK | {"measured": True}]}),
        json.dumps({**as_dict(REPORT), "checks": [CHECK | {"details": [1]}]}),
        json.dumps({**as_dict(REPORT), "warnings": [1]}),
        json.dumps({**as_dict(REPORT), "warnings": 5}),
        json.dumps({**as_dict(REPORT), "command": [{}]}),
        json.dumps({**as_dict(REPORT), "created": []}),
    ],
)
def test_what_is_no_report_is_an_artifact_error_in_one_line(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ArtifactError, match="is not a report: .*; export it again") as told:
        read_report(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("none", "none is not there; name a folder that tools/export.py wrote"),
        ("exports/vgg13/onnx/report.json", "report.json is a file; name a folder that"),
        (
            "exports",
            "exports has no report.json; name .*, such as .*exports/vgg13/onnx",
        ),
        (".", "has no report.json; name a folder that tools/export.py wrote$"),
        ("exports/vgg13", "name a folder that .*, such as .*exports/vgg13/onnx"),
    ],
)
def test_a_folder_without_a_report_says_what_it_is_and_which_one_has(tmp_path, named, message):
    folder = tmp_path / "exports" / "vgg13" / "onnx"
    folder.mkdir(parents=True)
    write_report(REPORT, folder)
    with pytest.raises(ArtifactError, match=message):
        read_content(tmp_path / named)


def test_bytes_that_are_no_text_are_an_artifact_error(tmp_path):
    (tmp_path / "report.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match="is not a report"):
        read_report(tmp_path)


def test_a_report_of_another_schema_says_which(tmp_path):
    (tmp_path / "report.json").write_text('{"schema": 3}')
    with pytest.raises(ArtifactError, match="is of schema 3, and this toolkit reads 1 and 2"):
        read_report(tmp_path)


def test_whether_a_report_is_there_is_asked_of_nothing_below(tmp_path, monkeypatch):
    def glob(*_):
        raise AssertionError("it looked further")

    monkeypatch.setattr(Path, "glob", glob)
    assert not holds_report(tmp_path)
    assert not holds_report(tmp_path / "nowhere")
    write_report(REPORT, tmp_path)
    assert holds_report(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    assert not holds_report(tmp_path)


def test_a_folder_that_changes_meanwhile_is_still_told_to_have_no_report(tmp_path, monkeypatch):
    def glob(*_):
        raise FileNotFoundError(2, "No such file", "gone")
        yield

    monkeypatch.setattr(Path, "glob", glob)
    with pytest.raises(ArtifactError, match="has no report.json; name a folder that tools/export"):
        read_report(tmp_path)


def test_no_more_than_some_folders_are_looked_at_for_one_to_suggest(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "LOOKED", 5)
    for number in range(10):
        (tmp_path / f"{number}").mkdir()
    looked = []
    monkeypatch.setattr(Path, "is_file", lambda path: looked.append(path))
    with pytest.raises(ArtifactError, match="has no report.json"):
        read_report(tmp_path)
    assert len(looked) == 5


def test_a_report_of_schema_1_is_still_read(tmp_path):
    old = {k: v for k, v in as_dict(REPORT).items() if k not in ("verdict", "warnings", "created")}
    (tmp_path / "report.json").write_text(json.dumps({**old, "schema": 1}))
    assert read_report(tmp_path) == REPORT


def test_the_verdict_says_what_was_never_checked():
    assert REPORT.verdict.value == "verified except engine"
    assert replace(REPORT, checks=REPORT.checks[:1]).verdict.value == "verified"
    assert replace(REPORT, checks=REPORT.checks + FAILED.checks).verdict.value == "not verified"


def test_a_pipe_an_endless_file_and_deep_nesting_are_refused_at_once(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match="is no regular file"):
        read_report(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match="is no regular file"):
        read_report(tmp_path)
    path.unlink()
    path.write_text("[" * 200_000)
    with pytest.raises(ArtifactError, match="nested without end"):
        read_report(tmp_path)
    with path.open("wb") as file:
        file.truncate(report.LARGEST + 1)
    with pytest.raises(ArtifactError, match="is larger than 32 MiB"):
        read_report(tmp_path)


def test_what_an_error_quotes_of_a_report_is_cut(tmp_path):
    for change in ({"model": "m" * 100_000}, {"checks": "c" * 100_000}, {"schema": "s" * 100_000}):
        (tmp_path / "report.json").write_text(json.dumps({**as_dict(REPORT), **change}))
        with pytest.raises(ArtifactError) as told:
            read_report(tmp_path)
        assert len(str(told.value)) < 400 + len(str(tmp_path))


def test_every_file_of_an_artifact_is_hashed_but_the_report(tmp_path):
    (tmp_path / "1" / "variables").mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "1" / "variables" / "data").write_bytes(b"weights")
    write_report(REPORT, tmp_path)
    assert artifact_files(tmp_path) == {
        "1/saved_model.pb": hashlib.sha256(b"graph").hexdigest(),
        "1/variables/data": hashlib.sha256(b"weights").hexdigest(),
    }
    assert describe_artifact(tmp_path)["bytes"] == len(b"graph") + len(b"weights")


def test_the_environment_names_what_had_a_hand_in_it():
    found = environment()
    assert found.keys() >= {"python", "platform", "keras", "numpy", "onnx", "onnxruntime"}
    assert from_dict({**as_dict(REPORT), "environment": found}).environment == found


def test_a_folder_in_the_report_s_place_is_told(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(ArtifactError, match="cannot be read: Is a directory"):
        read_report(tmp_path)
