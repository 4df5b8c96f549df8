"""What README and docs tell is true: commands parse, tables equal the code, links lead on."""

import argparse
import ast
import configparser
import importlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keras_nets.catalog import NETS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("C*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TOOLS = sorted((ROOT / "tools").glob("[!_]*.py"))
SHARED = sorted((ROOT / "export" / "commandline").glob("*.py"))
SCRIPTS = [*TOOLS, *sorted((ROOT / "examples").glob("*.py"))]


def lines_of(text: str):
    """(line, text) of each line, those that end in a backslash joined to the next."""
    number, whole = 1, ""
    for at, line in enumerate(text.splitlines(), start=1):
        whole = f"{whole}{line}"
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        yield number, whole
        number, whole = at + 1, ""


def commands_of(path: Path, text: str) -> list:
    """Every call of a script of ours that `text` shows, in blocks or between backticks."""
    found = []
    for line, shown in lines_of(text):
        told = re.findall(r"`((?:python )?(?:tools|examples)/\w+\.py [^`]+)`", shown)
        if not told and "`" not in shown:
            told = re.split(r"&&|;| \| ", shown)
        for command in told:
            start = re.search(r"(?:^|\s)(?:python )?((?:tools|examples)/\w+\.py)(?= |$)", command)
            if start and (start.group(0).lstrip().startswith("python") or "`" in shown):
                words = shlex.split(command[start.start(1) :], comments=True)
                where = f"{path.relative_to(ROOT)}:{line}"
                found += [(where, *choice) for choice in itertools.product(*map(spelt, words))]
    return found


def spelt(word: str) -> list[str]:
    """What a reader may type for a word: one of `a|b`, or a network for NAME."""
    return ["vgg13"] if word == "NAME" else word.split("|")


def all_commands() -> list:
    found = [command for page in PAGES for command in commands_of(page, page.read_text())]
    for script in SCRIPTS:
        told = ast.get_docstring(ast.parse(script.read_text()))
        found += commands_of(script, "\n".join(re.findall(r"^    python .*", told, re.M)))
    return found


class Parsed(BaseException):
    """Carries what a parser understood out of a main function."""


def parse_only(self, argv=None, namespace=None):
    known, unknown = self.parse_known_args(argv, namespace)
    if unknown:
        self.error(f"unrecognized arguments: {' '.join(unknown)}")
    raise Parsed(known)


COMMANDS = all_commands()


@pytest.mark.parametrize(
    ("script", "argv"),
    [pytest.param(script, argv, id=f"{where} {' '.join(argv)}")
     for where, script, *argv in COMMANDS],
)  # fmt: skip
def test_every_command_parses(monkeypatch, capsys, script, argv):
    assert (ROOT / script).is_file(), f"{script} is not there"
    monkeypatch.setattr(sys, "path", list(sys.path))
    if "ArgumentParser" not in (ROOT / script).read_text():
        return  # examples that read sys.argv
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    try:
        module.main(argv)
    except Parsed as parsed:
        args = parsed.args[0]
    except SystemExit:
        pytest.fail(capsys.readouterr().err)
    if script == "tools/export.py":
        assert set(args.model) <= {*NETS, "all"}
        assert set(args.format) <= {*module.FORMATS, "all"}


def test_there_are_commands_to_parse():
    pages = {where.partition(":")[0] for where, *_ in COMMANDS}
    assert {"README.md", "docs/serving.md", "docs/evaluation.md", "tools/export.py"} <= pages
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_told_of(tool):
    assert any(f"tools/{tool.name}" in page.read_text() for page in PAGES)


def test_the_two_lines_that_set_everything_up_are_there_as_ci_runs_them():
    lines = README.read_text().splitlines()
    main = "pip install -e . && python tools/export.py --model vgg13 --format tftrt-fp16"
    assert lines.count(f"    {main}") == 1
    assert lines.count("    pip install -e '.[test]' && pytest -n 2 --dist loadfile") == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_extra_that_is_installed_exists(page):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = re.findall(r"pip install [^`\n]*(?:\.|keras-nets)\[([\w,]+)\]", page.read_text())
    named = {name for extra in extras for name in extra.split(",")}
    assert named <= set(config["options.extras_require"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_ours_that_is_named_exists(page):
    named = re.findall(
        r"`(?:python )?((?:tools|examples|docs|tests)/[\w/]+\.\w+)", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page):
    # TF Serving's options have underscores, and ours have none.
    named = {
        option
        for code in re.findall(r"`([^`\n]+)`", page.read_text())
        for option in re.findall(r"(?:^|\s)(--[a-z][\w-]+)", code)
        if code.startswith(("--", "tools/", "python tools/"))
    }
    known = "".join(script.read_text() for script in (*SCRIPTS, *SHARED))
    named = {option for option in named if "_" not in option} - {"--help"}
    assert [option for option in sorted(named) if f'"{option}"' not in known] == []


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|^    .*?$|`[^`\n]*`", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        aim = page.parent / name if name else page
        if not aim.exists():
            wrong.append(f"{target} is not there")
        elif anchor and anchor not in anchors(aim):
            wrong.append(f"{aim.name} has no heading {anchor}")
    assert wrong == []


def tables(page: Path) -> dict[tuple, list[tuple]]:
    """The rows of each table by its header."""
    found, header = {}, None
    for line in page.read_text().splitlines():
        if not line.startswith("|"):
            header = None
            continue
        row = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if header is None:
            header, found[row] = row, []
        elif not set("".join(row)) <= set("-: "):
            found[header].append(row)
    return found


def test_the_table_of_networks_is_the_catalog():
    (rows,) = (rows for header, rows in tables(README).items() if header[0] == "network")
    # tests/tools/test_model_table.py has the GMACs, which are counted.
    assert [row[:3] + row[4:] for row in rows] == [
        (
            net.title,
            f"`{net.name}`",
            f"{net.counts[net.flavours[0]].trainable:,}",
            f"{net.image[0]}x{net.image[1]}",
            f"{net.page.top1:.3f}",
            ", ".join(net.flavours),
            net.paper,
        )
        for net in NETS.values()
    ]


def test_the_table_of_formats_is_the_registry():
    from export.formats import FORMATS

    (rows,) = (rows for header, rows in tables(README).items() if header[0] == "format")
    assert [row[0] for row in rows] == [f"`{name}`" for name in FORMATS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_the_page_imports_what_there_is(page):
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(
                ("export", "keras_nets")
            ):
                module = importlib.import_module(node.module)
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []


def commands_to_run() -> list[str]:
    """The commands of the README's section on weights, the one that installs left out."""
    section = README.read_text().partition("\n## Weights\n")[2].partition("\n## ")[0]
    return re.findall(r"^    (python .*)$", section, re.M)


def test_the_readme_makes_every_file_that_its_commands_read():
    (train, *others) = commands_to_run()
    assert train == "python examples/train_digits.py --train-only"
    for command in others:
        for word in shlex.split(command)[2:]:
            assert "/" not in word or word.startswith(("digits/", "exports/")), command


@pytest.mark.slow
def test_what_the_readme_shows_runs_as_it_is_written(tmp_path):
    """In an empty folder beside the sources, by a user's shell and environment."""
    for name in ("tools", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    own = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    own |= {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{own['PATH']}"}
    python = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    commands = [*commands_to_run(), f"python -c {shlex.quote(python[0])}"]
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=own, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert len(done.stderr.splitlines()) < 5, "TensorFlow's log is out of sight"
