"""The command line of verify: honest artifacts, tampered ones, and none."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import export, verify

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small SqueezeNet as ONNX."""
    out = tmp_path_factory.mktemp("exports")
    assert export.main([
        "--model", "squeezenet1_1", "--format", "onnx", "--image-size", "64", "--classes", "10",
        "--seed", "3", "--out", str(out),
    ]) == 0  # fmt: skip
    return out / "squeezenet1_1" / "onnx"


@pytest.fixture
def artifact(exported, tmp_path):
    """A copy, to be tampered with."""
    return shutil.copytree(exported, tmp_path / "onnx")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40  # within a weight
    path.write_bytes(content)


def judged(capsys, *arguments):
    """The exit status, and the checks that are printed as JSON."""
    status = verify.main([*map(str, arguments), "--json", "--no-self-test"])
    (report,) = map(json.loads, capsys.readouterr().out.splitlines())
    return status, {check["name"]: check["status"] for check in report["checks"]}


def test_an_honest_artifact_exits_with_0_from_any_folder(exported, tmp_path):
    """The one run in a process of its own."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "verify.py", exported, "--no-self-test"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hashes" in done.stdout
    assert "verified" in done.stdout
    for line in done.stderr.splitlines():
        assert line.split()[1:2] == ["s"], f"no stage: {line!r}"


def test_every_check_is_made_anew(exported, capsys):
    status, checks = judged(capsys, exported)
    assert status == 0
    assert list(checks)[:6] == ["hashes", "params", "weights", "graph", "contract", "parity"]
    assert set(checks.values()) == {"passed"}


def test_a_flipped_byte_fails_hashes_is_not_opened_and_exits_with_1(artifact, capsys):
    flip(artifact / "model.onnx")
    status, checks = judged(capsys, artifact)
    assert status == 1
    assert checks.pop("hashes") == "failed"
    assert set(checks.values()) == {"skipped"}


def test_without_hashes_a_flipped_byte_is_caught_by_the_other_checks(artifact, capsys):
    flip(artifact / "model.onnx")
    status, checks = judged(capsys, artifact, "--ignore-hash")
    assert status == 1
    assert "hashes" not in checks
    assert checks["weights"] == "failed"


def test_a_change_that_means_nothing_passes_without_hashes(artifact, capsys):
    (artifact / "notes.txt").write_text("mine")
    assert judged(capsys, artifact)[0] == 1
    assert judged(capsys, artifact, "--ignore-hash")[0] == 0


def test_a_report_that_promises_other_weights_exits_with_1(artifact, capsys):
    told = json.loads((artifact / "report.json").read_text())
    told["weights"]["source"] = "seeded:4"
    (artifact / "report.json").write_text(json.dumps(told))
    status, checks = judged(capsys, artifact)
    assert status == 1
    assert {checks[name] for name in ("hashes", "weights", "parity")} == {"failed"}


def code(words: str, kind: str = "function") -> dict:
    """A report's source that names a function."""
    return {"kind": kind, "source": words, "arguments": {"command": "true"}, "sha256": ""}


def edited(artifact, **changes):
    told = json.loads((artifact / "report.json").read_text())
    (artifact / "report.json").write_text(json.dumps(told | changes))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: (a / "report.json").unlink(), "has no report.json; name a folder that"),
        (lambda a: (a / "report.json").write_text("{"), "is not a report"),
        (lambda a: edited(a, schema=9), "is of schema 9"),
        (
            lambda a: edited(a, model="vgg12", model_source={}),
            "is of 'vgg12', which the catalog does not have",
        ),
        (lambda a: edited(a, format="tflite"), "no format is called 'tflite'"),
        (
            lambda a: edited(a, weights={"source": "gone.h5", "sha256": ""}),
            "was made from gone.h5, which is not there; name its file with --weights",
        ),
        (lambda a: edited(a, options={}, model_source={}), "does not say how to build"),
        (lambda a: edited(a, model_source={"kind": 5}), "model_source is damaged; name the model"),
        (
            lambda a: edited(a, model_source=code("os:system")),
            "names code of the module 'os', which is neither in this folder",
        ),
        (
            lambda a: edited(a, model_source=code("os:system", "catalog")),
            "no network is called 'os:system'",
        ),
        (
            lambda a: edited(a, weights={"source": "seeded:x", "sha256": ""}),
            "does not say how to build",
        ),
    ],
    ids=[
        "none",
        "half",
        "schema",
        "model",
        "format",
        "weights",
        "options",
        "source",
        "code",
        "disguise",
        "seed",
    ],
)
def test_what_cannot_be_verified_exits_with_2_and_says_why(artifact, capfd, spoil, message):
    spoil(artifact)
    with pytest.raises(SystemExit) as ended:
        verify.main([str(artifact)])
    assert ended.value.code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_strict_without_a_self_test_makes_no_sense(exported, capfd):
    with pytest.raises(SystemExit) as ended:
        verify.main([str(exported), "--strict", "--no-self-test"])
    assert ended.value.code == 2
    assert "--strict is a matter of the self-test" in capfd.readouterr().err


def test_a_required_check_that_is_not_made_exits_with_1(exported, capsys):
    status, checks = judged(capsys, exported, "--require", "parity", "--require", "Engine")
    assert status == 1
    assert (checks["parity"], checks["engine"]) == ("passed", "failed")


def test_a_check_that_does_not_exist_cannot_be_required(exported, capfd):
    with pytest.raises(SystemExit) as ended:
        verify.main([str(exported), "--require", "engin"])
    assert ended.value.code == 2
    assert "no check is called 'engin'; did you mean engine?" in capfd.readouterr().err


PICTURES = ROOT / "tests" / "golden" / "preprocess"


def test_pictures_of_the_users_are_compared_beside_the_probes(exported, capsys):
    assert verify.main([str(exported), "--images", str(PICTURES), "--no-self-test", "--json"]) == 0
    (parity,) = (
        check
        for check in json.loads(capsys.readouterr().out)["checks"]
        if check["name"] == "parity"
    )
    count = 8 + len(list(PICTURES.glob("*.png")))
    assert f"top-1 equal on {count} of {count}" in parity["note"]


@pytest.mark.parametrize("content", [None, b"no picture"], ids=["none", "broken"])
def test_pictures_that_cannot_be_read_exit_with_2(exported, tmp_path, capfd, content):
    if content:
        (tmp_path / "cat.jpg").write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        verify.main([str(exported), "--images", str(tmp_path)])
    assert ended.value.code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: cannot read" if content else "error: there is no picture below")


def test_every_artifact_of_a_tree_is_verified_and_one_that_cannot_be_stops_no_other(
    exported, tmp_path, capsys
):
    tree = tmp_path / "exports"
    for name in ("a", "b/good", "b/.staging/half", "c"):
        shutil.copytree(exported, tree / name)
    flip(tree / "a" / "model.onnx")
    (tree / "c" / "report.json").write_text("{")
    assert verify.main([str(tree), "--no-self-test"]) == 2
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines() if line.startswith("squeezenet1_1 ")]
    assert [len(row) for row in rows].count(2) == 1, "only what failed is shown check by check"
    assert [row[2] for row in rows if len(row) > 2] == ["NOT", "verified"]
    assert [str(tree / name) in said.out for name in ("a", "b/good")] == [True, True]
    assert said.err.splitlines()[-1].startswith(f"error: {tree}/c/report.json is not a report")


def test_a_model_outside_the_catalog_is_verified_by_the_file_that_keras_saved(
    export_toy, toy, tmp_path, capsys
):
    artifact = export_toy("plain", "onnx").folder
    toy("plain").save(tmp_path / "plain.keras")
    status, checks = judged(capsys, artifact, "--model", tmp_path / "plain.keras")
    assert (status, checks["hashes"], checks["parity"]) == (0, "passed", "passed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which the catalog does not have, and its report does not say how to build it; name"),
        (["--model", "{place}/none.keras"], "--model {place}/none.keras is not there; name a"),
        (["--model", "{place}/file.h5"], "file.h5 is neither HDF5 nor a zip; save it with"),
        (["--model", "{place}/file.keras"], "file.keras is neither HDF5 nor a zip; save it with"),
        (["--model-arg", "x=1"], "are for the model that --model names"),
        (["--model", "no.such:function"], "there is no module 'no'; run this in the folder that"),
    ],
)
def test_what_to_do_about_a_model_outside_the_catalog_is_said(
    export_toy, tmp_path, capfd, arguments, message
):
    for name in ("file.h5", "file.keras"):
        (tmp_path / name).write_text("no model")
    arguments = [argument.format(place=tmp_path) for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        verify.main([export_toy("plain", "onnx").folder, *arguments])
    assert ended.value.code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message.format(place=tmp_path) in last


def test_pictures_of_a_model_outside_the_catalog_want_a_word_on_how_they_are_taken(
    export_toy, toy, tmp_path, capfd
):
    toy("plain").save(tmp_path / "plain.keras")
    model = ["--model", str(tmp_path / "plain.keras"), "--images", str(PICTURES)]
    artifact = str(export_toy("plain", "onnx").folder)
    with pytest.raises(SystemExit) as ended:
        verify.main([artifact, *model])
    assert ended.value.code == 2
    assert "become inputs of plain is not known; say it with --preprocess" in capfd.readouterr().err
    assert verify.main([artifact, *model, "--preprocess", "vgg13", "--no-self-test"]) == 0


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """A network with a layer that TF-TRT leaves outside, exported with --partial-engines."""
    out, model = tmp_path_factory.mktemp("partial"), "keras_nets.zoo.unusual:augmented"
    command = ["--model", model, "--format", "tftrt-fp16", "--out", str(out), "--name", "part"]
    assert export.main([*command, "--partial-engines"]) == 0
    return out / "part" / "tftrt-fp16"


def graph_in(text: str) -> dict:
    return next(check for check in json.loads(text)["checks"] if check["name"] == "graph")


@pytest.mark.lane
def test_an_engine_for_a_part_passes_where_it_is_accepted_and_says_its_share(partial):
    graph = graph_in((partial / "report.json").read_text())
    assert graph["status"] == "passed"
    assert 0 < graph["details"]["share"] <= 1
    assert "% of the MACs inside" in graph["note"]


@pytest.mark.lane
@pytest.mark.parametrize(("options", "status"), [((), 1), (("--partial-engines",), 0)])
def test_a_report_does_not_excuse_engines_for_a_part(partial, options, status, capsys):
    assert verify.main([str(partial), "--no-self-test", "--json", *options]) == status
    told = (
        "of resizing; write these layers otherwise, export to onnx, which TensorRT reads itself, or"
    )
    assert (told in graph_in(capsys.readouterr().out)["note"]) == (status == 1)
