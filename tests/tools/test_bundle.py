"""The command line of bundle: what it prints, what it exits with, what it never does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toy_artifact import make_onnx, make_tftrt, make_toy, write_report

from tools import bundle

TOOL = Path(bundle.__file__)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def deploy(tmp_path):
    return tmp_path / "deploy"


def run(*arguments):
    try:
        return bundle.main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return ended.code


def test_an_artifact_is_added_and_the_folder_is_clean(toy, deploy, capsys):
    assert run(toy, "--to", deploy) == 0
    assert "toy version 1 for tf-serving" in capsys.readouterr().out
    assert run("--check", deploy) == 0
    assert capsys.readouterr().out == ""


def test_what_was_never_checked_and_random_weights_are_said_on_the_way(tmp_path, deploy, capsys):
    folder = make_tftrt(tmp_path)
    engine = {"name": "engine", "status": "skipped", "note": "needs a GPU"}
    write_report(folder, format="tftrt-fp16", checks=[engine])
    assert run(folder, "--to", deploy) == 0
    printed = capsys.readouterr()
    assert "toy version 1 for tf-serving, verified except engine (" in printed.out
    assert printed.err.splitlines() == [
        "note: random weights: for trying only",
        "note: engine was never checked: needs a GPU",
    ]
    assert run("--check", deploy) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"note: {deploy / 'models/toy/1'}: engine was never checked: needs a GPU" in printed.err


def test_weights_that_were_given_and_checks_that_all_ran_need_no_note(tmp_path, deploy, capsys):
    folder = make_onnx(tmp_path)
    write_report(folder, format="onnx", weights={"source": "vgg13.pdparams"})
    assert run(folder, "--to", deploy) == 0
    printed = capsys.readouterr()
    assert (printed.err, "for triton, verified (" in printed.out) == ("", True)


@pytest.mark.parametrize("place", ["toy/onnx", "toy/onnx/deploy", "toy", "."])
def test_a_folder_of_exports_is_refused_as_a_serving_folder(tmp_path, capsys, place):
    folder = make_onnx(tmp_path)
    make_onnx(tmp_path, model="other")
    before = sorted(tmp_path.rglob("*"))
    for source in (folder, tmp_path / "other" / "onnx"):
        assert run(source, "--to", tmp_path / place) == 2
        assert "with --to" in refused(capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_to_a_folder_of_exports_is_refused_too(tmp_path, capsys):
    folder = make_onnx(tmp_path / "exports")
    (tmp_path / "deploy").symlink_to(tmp_path / "exports")
    assert run(folder, "--to", tmp_path / "deploy") == 2
    assert "holds exports" in refused(capsys)


def test_a_report_of_another_tool_is_in_nobodys_way(tmp_path, deploy, capsys):
    deploy.mkdir()
    (deploy / "report.json").write_text('{"tests": 3}')
    assert run(make_onnx(tmp_path), "--to", deploy) == 0


def test_json_says_where_the_version_is(toy, deploy, capsys):
    assert run(toy, "--to", deploy, "--name", "pets", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["model"], said["version"]) == ("pets", 1)
    assert (Path(said["folder"]) / "saved_model.pb").is_file()


def test_promotion_names_the_version(toy, deploy, capsys):
    run(toy, "--to", deploy)
    run(toy, "--to", deploy)
    capsys.readouterr()
    assert run("--to", deploy, "--promote", "toy") == 0
    assert capsys.readouterr().out == "toy: stable is version 2\n"


def test_a_canary_that_is_replaced_is_told_of(toy, deploy, capsys):
    for _ in range(2):
        run(toy, "--to", deploy)
    assert "canary" not in capsys.readouterr().err
    assert run(toy, "--to", deploy) == 0
    assert "version 2 was the canary" in capsys.readouterr().err


def test_findings_are_lines_of_path_and_text_and_exit_1(toy, deploy, capsys):
    run(toy, "--to", deploy)
    (deploy / "models" / "toy" / "v2").mkdir()
    capsys.readouterr()
    assert run("--check", deploy) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{deploy / 'models' / 'toy' / 'v2'}: is ignored")
    assert run("--check", deploy, "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["path"].endswith("v2")


def test_an_edited_file_is_kept_when_asked_for_and_otherwise_refused(toy, deploy, capsys):
    run(toy, "--to", deploy)
    (deploy / "compose.yaml").write_text("services: {}\n")
    assert run(toy, "--to", deploy) == 2
    assert "edited by hand" in capsys.readouterr().err
    assert run(toy, "--to", deploy, "--keep-edits") == 0
    assert "compose.yaml.new" in capsys.readouterr().err


def refused(capsys):
    """The one line that was printed, on stderr alone."""
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert printed.out == ""
    return line


def test_what_failed_its_verification_is_refused_in_one_line(tmp_path, deploy, capsys):
    folder = make_tftrt(tmp_path)
    write_report(folder, passed=False, checks=[{"name": "parity", "status": "failed"}])
    assert run(folder, "--to", deploy) == 2
    assert "parity" in refused(capsys)
    assert not (deploy / "models").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--name", "a/b"], "letters, digits"),
        (["--server", "tf-serving"], "TF Serving loads SavedModels"),
        (["--image", "tensorflow/serving@sha256:0"], "has a tag"),
        (["--mounted-at", "relative"], "absolute"),
        (["--mounted-at", "/"], "below /"),
        (["--mounted-at", "/a:b"], "without ':'"),
        (["--mounted-at", "/a/../b"], "absolute"),
        (["--mounted-at", "/$HOME"], "'$'"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, deploy, capsys, options, text):
    assert run(make_onnx(tmp_path), "--to", deploy, *options) == 2
    assert text in refused(capsys)
    assert not deploy.exists()


def test_a_folder_that_is_none_is_refused_in_one_line(tmp_path, deploy, capsys):
    assert run(tmp_path / "nowhere", "--to", deploy) == 2
    assert "nowhere is not there; name a folder that tools/export.py wrote" in refused(capsys)
    assert run("--check", tmp_path / "nowhere") == 2
    assert "no serving folder" in refused(capsys)
    assert run("--to", tmp_path / "mistyped", "--promote", "toy") == 2
    assert "is no serving folder" in refused(capsys)
    assert not (tmp_path / "mistyped").exists()


def test_a_place_that_cannot_be_written_is_refused_in_one_line(toy, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(toy, "--to", tmp_path / "file" / "deploy") == 2
    refused(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x"],
        ["--to", "y"],
        ["x", "--to", "y", "--promote", "z"],
        ["--check", "y", "--promote", "z"],
        ["x", "--to", "y", "--check", "y"],
    ],
)
def test_a_command_that_asks_for_nothing_or_for_two_things_is_refused(arguments):
    assert run(*arguments) == 2


def test_an_interrupt_ends_in_one_line(monkeypatch, toy, deploy, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("export.serving.bundle.add", interrupt)
    assert run(toy, "--to", deploy) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_help_needs_nothing_heavy():
    code = (
        "import sys, runpy; sys.argv = ['bundle.py', '--help']\n"
        f"try: runpy.run_path({str(TOOL)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'tensorflow', 'google.protobuf', 'yaml'} & set(sys.modules)\n"
        "print('loaded:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert "--promote" in done.stdout
    assert done.stdout.endswith("loaded: []\n")
