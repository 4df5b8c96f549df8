"""The command line of the study, on a small picture."""

import pytest

from tools import gate_power


@pytest.fixture
def small(tmp_path):
    return [
        "--model", "squeezenet1_1", "--format", "onnx", "--image-size", "64", "--seeds", "2",
        "--work", str(tmp_path / "work"), "--doc", str(tmp_path / "page.md"),
    ]  # fmt: skip


def made(tmp_path) -> dict[str, int]:
    """The files of a study, and the lines in each."""
    return {path.name: len(path.read_text().splitlines()) for path in (tmp_path / "work").iterdir()}


@pytest.mark.parametrize("step", ["peers", "seeds"])
def test_a_step_keeps_what_it_did_and_does_it_once(small, tmp_path, step, monkeypatch):
    (tmp_path / "work").mkdir()
    assert gate_power.main([*small, "--step", step]) == 0
    wanted = {"peers": {"peers-squeezenet1_1.json": 1}, "seeds": {"seeds-squeezenet1_1.jsonl": 2}}
    assert made(tmp_path) == wanted[step]
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
