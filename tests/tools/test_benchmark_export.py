"""Jobs that are measured: which commands run, and what page comes of them."""

import pytest

from export.stages import Profile
from tools import benchmark_export
from tools.benchmark_export import JOBS, main


@pytest.fixture
def ran(monkeypatch):
    """The commands that would run; each takes a second more than the one before."""
    commands = []

    def take(command):
        commands.append(command[1:])
        return Profile(wall_s=len(commands), cpu_s=1.0, status=0, stages=())

    monkeypatch.setattr(benchmark_export, "profile", take)
    return commands


def test_one_job_is_one_export_on_a_page(ran, capsys):
    assert main(["--job", "vgg19-onnx"]) == 0
    (command,) = ran
    assert command[0].endswith("tools/export.py")
    assert command[1:5] == ["--model", "vgg19", "--format", "onnx"]
    printed = capsys.readouterr()
    assert printed.out.startswith("# What an export takes\n")
    assert "Made by `python tools/benchmark_export.py --job vgg19-onnx` on" in printed.out
    assert "| vgg19-onnx | 1.0 s | 14 s |" in printed.out
    assert printed.err == "vgg19-onnx: 1.0 s, 0.00 GB\n"


def test_the_code_of_another_checkout_runs_just_before(ran, capsys, tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "export.py").touch()
    assert main(["--job", "vgg19-onnx", "--before", str(tmp_path)]) == 0
    assert [command[0] == str(tmp_path / "tools" / "export.py") for command in ran] == [True, False]
    assert "| 1.0 s, 0.00 GB | 2.00 |" in capsys.readouterr().out


def test_an_export_that_ran_as_a_job_does_not_run_again_beside_stock(ran, tmp_path):
    page = tmp_path / "page.md"
    assert main(["--stock", "--stages", "--out", str(page)]) == 0
    exports = [tuple(command[:-1]) for command in ran if "--run-stock" not in command]
    assert len(exports) == len(set(exports)) == len(JOBS) + 1, "darknet53 is no job of its own"
    assert "| vgg13 to tftrt-fp16 | 1 s, 0.0 GB |" in page.read_text()
    assert "## vgg13-tftrt-fp16, by stage and process" in page.read_text()
