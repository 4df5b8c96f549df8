"""The command line of the study, on a small picture."""

import json

import pytest

from tools import gate_power


@pytest.fixture
def small(tmp_path):
    return [
        "--model", "squeezenet1_1", "--format", "onnx", "--image-size", "64", "--seeds", "2",
        "--work", str(tmp_path / "work"), "--doc", str(tmp_path / "page.md"),
    ]  # fmt: skip


def records(tmp_path):
    return {path.stem: json.loads(path.read_text()) for path in (tmp_path / "work").glob("*.json")}


@pytest.mark.parametrize("step", ["peers", "seeds"])
def test_a_step_keeps_what_it_did_and_does_it_once(small, tmp_path, step, monkeypatch):
    (tmp_path / "work").mkdir()
    assert gate_power.main([*small, "--step", step]) == 0
    made = records(tmp_path)
    wanted = {"peers": ["peers"], "seeds": ["seed-squeezenet1_1-1", "seed-squeezenet1_1-2"]}[step]
    assert all(name in made or f"{name}-squeezenet1_1" in made for name in wanted)
    monkeypatch.setattr(gate_power, "_build", lambda *_: pytest.fail("it was done before"))
    assert gate_power.main([*small, "--step", step]) == 0


def test_no_step_begins_after_its_time(small, tmp_path, monkeypatch):
    monkeypatch.setattr(gate_power, "_in_a_child", lambda *_: pytest.fail("time is up"))
    assert gate_power.main([*small, "--minutes", "0"]) == 0
    assert "What the gate catches" in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_a_whole_study_makes_the_page(small, tmp_path):
    assert gate_power.main(small) == 0
    text = (tmp_path / "page.md").read_text()
    assert "| squeezenet1_1 | onnx | 12 of 12 |" in text
    assert "| squeezenet1_1 | 2 | none |" in text
