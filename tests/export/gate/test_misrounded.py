"""Bugs of rounding, planted in a copy of an artifact: each is noticed, and why."""

import pytest

from export import Options, Wish, export_model
from export.calibration.reading import synthetic
from export.gate import misrounded
from export.results import Status


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("format", ["onnx-int8", "onnx-int8-trt"])
def test_a_self_test_in_8_bits_plants_bugs_of_rounding_and_catches_them(
    toy, tmp_path, monkeypatch, format
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = Options(calibration=synthetic(count=32), wish=Wish(strict=True))
    (report,) = export_model(toy("plain"), [format], tmp_path / "out", options=options)
    details = report.check("parity").details
    caught = {mutant["name"]: mutant["caught_by"] for mutant in details["mutants"]}
    for name in ("a scale off by 1 %", "a zero point moved", "a range clipped by a tenth"):
        assert "ranges" in caught[name]
    assert caught["one scale for all channels"] == ["weights"]
    assert caught["a kernel that is not rounded"] == ["weights"]
    assert "a kernel in 4 bits" in caught and "a kernel in 6 bits" not in caught
    assert details["power"]["missed"] == [] and details["power"]["of"] >= 16
    assert report.passed


KERNELS = ("conv1", "conv2", "conv3", "fc4", "logits")
FORMATS = ("onnx-int8", "onnx-int8-trt", "litert-int8")


@pytest.mark.usefixtures("here")
def test_where_all_kernels_are_kept_in_32_bits_bugs_of_activations_are_planted(
    toy, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = {"calibration": synthetic(count=16), "keep_fp32": KERNELS}
    options = Options(**asked, wish=Wish(strict=True))
    for report in export_model(toy("plain"), FORMATS, tmp_path / "out", options=options):
        caught = {m["name"]: m["caught_by"] for m in report.check("parity").details["mutants"]}
        assert report.passed, report.checks
        assert set(KERNELS) < report.artifact["kept"].keys()
        assert "ranges" in caught["a zero point moved"]
        assert "one scale for all channels" not in caught


@pytest.mark.usefixtures("here")
def test_where_nothing_is_rounded_the_self_test_runs_and_the_artifact_fails(
    toy, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = {"calibration": synthetic(count=16), "keep_fp32": ("conv1", "logits")}
    options = Options(**asked, wish=Wish(self_test=True))
    (report,) = export_model(toy("nested"), FORMATS[:1], tmp_path / "out", options=options)
    failed = [check.name for check in report.checks if check.status is Status.FAILED]
    assert failed == ["ranges"] and "nothing in the graph" in report.check("ranges").note
    assert report.check("parity").details["power"]["missed"] == []


def test_no_process_is_started_for_a_format_without_such_bugs(
    trial, written, tmp_path, monkeypatch
):
    folder = written("plain", "onnx")
    monkeypatch.setattr(misrounded, "observer", lambda *_: pytest.fail("nobody asks it"))
    assert list(misrounded.judged(trial("plain", "onnx", folder), set(), folder, tmp_path)) == []
    assert not any(tmp_path.iterdir())
