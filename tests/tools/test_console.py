"""`keras-nets`, from the checkout and as a wheel installs it."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from export.commandline.spelling import MODULES
from tools import console, list

ROOT = Path(__file__).parents[2]


def run(command, folder, **environment):
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that a wheel of this checkout was installed into, without what it requires."""
    folder = tmp_path_factory.mktemp("wheel")
    for room in ("keras_nets", "export", "tools"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / room, folder / "source" / room, ignore=unwanted)
    for name in ("setup.cfg", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, folder / "source"]
    done = run(wheel, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    done = run([*pip, "install", *offline, "--target", folder / "site", built], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture
def keras_nets(installed, tmp_path):
    """Call the installed script from a folder that is none of ours."""

    def call(*words):
        return run([installed / "bin" / "keras-nets", *words], tmp_path, PYTHONPATH=str(installed))

    return call


def test_every_file_of_ours_is_in_the_wheel(installed):
    for room, place in (("keras_nets",) * 2, ("export",) * 2, ("tools", "keras_nets_tools")):
        ours = {
            path.relative_to(ROOT / room)
            for path in (ROOT / room).rglob("*")
            if path.is_file() and not {"__pycache__", ".pyc"} & {*path.parts, path.suffix}
        }
        there = {path.relative_to(installed / place) for path in (installed / place).rglob("*")}
        assert ours - there == set()


def test_an_installed_console_says_its_version_from_anywhere(keras_nets):
    done = keras_nets("--version")
    assert done.returncode == 0 and done.stdout == f"keras-nets {console._version()}\n"


def test_a_checkout_on_the_path_is_enough(installed, tmp_path):
    """As older ways of `pip install -e` leave it: a script, and no package keras_nets_tools."""
    shutil.copy(installed / "bin" / "keras-nets", tmp_path / "keras-nets")
    done = run([tmp_path / "keras-nets", "list", "--help"], tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0 and done.stdout.startswith("usage: keras-nets list ")


def test_an_installed_console_names_itself_in_helps_and_errors(keras_nets, tmp_path):
    done = keras_nets("verify", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: keras-nets verify ")
    assert "    keras-nets verify exports/vgg13/tftrt-fp16" in done.stdout
    assert "tools/" not in done.stdout
    done = keras_nets("verify", tmp_path)
    assert done.returncode == 2
    assert "name a folder that keras-nets export wrote" in done.stderr


def test_every_command_is_a_tool_with_a_line_of_its_own():
    assert {*console.COMMANDS} == {*MODULES}
    assert all((ROOT / "tools" / f"{module}.py").is_file() for module in MODULES.values())


@pytest.mark.parametrize("command", console.COMMANDS)
def test_every_command_is_installed(keras_nets, command):
    done = keras_nets(command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: keras-nets {command} ")


def test_networks_and_formats_are_listed_at_once(keras_nets):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = keras_nets("list")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and "vgg13" in done.stdout and "tftrt-fp16" in done.stdout
    # Processor time, which other processes do not lengthen much.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.6


def test_a_list_is_json_where_asked(capsys):
    from export.formats import FORMATS
    from keras_nets.catalog import NETS

    assert list.main(["--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in content["networks"]] == [*NETS]
    assert [one["name"] for one in content["formats"]] == [*FORMATS]
    assert content["networks"][0]["parameters"] == 61_100_840


def test_the_script_does_what_the_console_does(tmp_path):
    script = [sys.executable, ROOT / "tools" / "console.py"]
    done = run([*script, "list", "--json"], tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["formats"]
    done = run([*script, "verify", "--help"], tmp_path)
    assert done.stdout.startswith("usage: console.py verify ")
    assert "python tools/verify.py exports/" in done.stdout


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["exprt"], "no command is called 'exprt'; did you mean export?"),
        (["--json", "list"], "the following arguments are required: COMMAND"),
    ],
)
def test_what_is_no_command_is_one_line(capsys, monkeypatch, words, line):
    monkeypatch.setattr(sys, "argv", ["keras-nets"])
    with pytest.raises(SystemExit) as ended:
        console.main(words)
    assert ended.value.code == 2 and line in capsys.readouterr().err


def test_a_status_of_a_command_is_the_console_s(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["keras-nets"])
    with pytest.raises(SystemExit) as ended:
        console.main(["verify", str(tmp_path)])
    assert ended.value.code == 2
