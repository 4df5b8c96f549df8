"""Bugs of rounding, planted in a copy of an artifact: each is noticed, and why."""

import pytest

from export import Options, Wish, export_model
from export.calibration.reading import synthetic
from export.gate import misrounded


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


def test_no_process_is_started_for_a_format_without_such_bugs(
    trial, written, tmp_path, monkeypatch
):
    folder = written("plain", "onnx")
    monkeypatch.setattr(misrounded, "observer", lambda *_: pytest.fail("nobody asks it"))
    assert list(misrounded.judged(trial("plain", "onnx", folder), set(), folder, tmp_path)) == []
    assert not any(tmp_path.iterdir())
