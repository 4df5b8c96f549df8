"""The command line that joins reports: what it writes, says and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from report_content import content

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "report.py"


def run(*arguments, cwd="/"):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def exports(tmp_path):
    for model in ("vgg13", "alexnet"):
        folder = tmp_path / "exports" / model / "onnx"
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(content(model, passed=model != "vgg13")))
    return tmp_path / "exports"


def test_the_page_lies_among_the_exports(exports):
    done = run("exports", cwd=exports.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "exports/index.html: 2 artifacts, 1 verified, 1 except the engine\n"
    assert "1 of 2 artifacts verified" in (exports / "index.html").read_text()
    assert not list(exports.rglob("report.html")) and not list(exports.rglob("*.partial"))


def test_pages_and_out(exports, tmp_path):
    assert run(exports, "--pages", "--out", tmp_path / "page.html").returncode == 0
    pages = list(exports.rglob("report.html"))
    assert len(pages) == 2
    assert all(f"tools/verify.py {page.parent}<" in page.read_text() for page in pages)
    assert 'href="./exports/vgg13/onnx/report.html"' in (tmp_path / "page.html").read_text()


def test_foreign_files_are_told_of_and_do_no_harm(exports):
    (exports / "other").mkdir()
    (exports / "other" / "report.json").write_text("{}")
    done = run(exports)
    assert done.returncode == 0
    assert done.stderr == (
        f"left out {exports}/other/report.json: is not a report: it names no schema; "
        "export it again\n"
    )


def test_a_report_that_is_a_link_to_itself_is_left_out_in_a_line(exports):
    ring = exports / "ring" / "report.json"
    ring.parent.mkdir()
    ring.symlink_to("report.json")
    done = run(exports)
    assert done.returncode == 0
    assert "Too many levels of symbolic links" in done.stderr and done.stderr.count("\n") == 1
    done = run(ring.parent, "--out", exports / "page.html")
    assert done.returncode == 2
    assert f"{ring}: cannot be read" in done.stderr and done.stderr.count("\n") == 1


def test_nothing_is_written_into_an_artifact(exports):
    artifact = exports / "vgg13" / "onnx"
    (artifact / "1").mkdir()
    before = sorted(exports.rglob("*"))
    within = (
        [artifact],
        [exports, "--out", artifact / "page.html"],
        [artifact, "--out", artifact / "1" / "page.html"],
    )
    for arguments in within:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "name the folder's parent, or another place with --out" in done.stderr
    assert sorted(exports.rglob("*")) == before
    assert run(artifact, "--out", exports / "one.html").returncode == 0


def test_a_foreign_report_makes_no_artifact_of_a_folder(exports):
    (exports / "report.json").write_text("[]")
    assert run(exports).returncode == 0


@pytest.mark.parametrize("make, said", [
    (lambda at: at / "missing", "is no folder; name one that tools/export.py wrote into"),
    (lambda at: at, "no report.json under"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_line(tmp_path, make, said):
    done = run(make(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and said in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_a_place_that_cannot_be_written_is_one_line(exports):
    done = run(exports, "--out", exports / "missing" / "index.html")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_help_is_instant_and_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", str(TOOL), "--help"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert "exports/index.html" in done.stdout
    assert not {"numpy", "matplotlib", "jinja2", "tensorflow"} & {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
    }
