"""A serving folder goes through no planted link, and killed runs leave nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toy_artifact import make_onnx, make_toy

from export.errors import ExportError
from export.serving.bundle import add, promote
from export.serving.ledger import Ledger, Pending, read_ledger, write_ledger
from export.serving.lint import lint

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    return make_onnx(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def deploy(tmp_path):
    return tmp_path / "deploy"


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "link", ["models", "models/toy", ".staging", "kubernetes", "kubernetes/kserve"]
)
def test_no_planted_link_is_followed(toy, deploy, tmp_path, link):
    aim = tmp_path / "home"
    aim.mkdir()
    (aim / "precious").write_text("mine")
    (deploy / link).parent.mkdir(parents=True)
    (deploy / link).symlink_to(aim)
    with pytest.raises(ExportError, match="is a link"):
        add(toy, deploy)
    assert tree(aim) == {Path("precious"): b"mine"}
    assert not (deploy / "bundle.json").exists()


@pytest.mark.parametrize("link", ["triton", "triton/toy"])
def test_no_planted_link_is_followed_into_tritons_folder(onnx, deploy, tmp_path, link):
    aim = tmp_path / "home"
    aim.mkdir()
    (deploy / link).parent.mkdir(parents=True)
    (deploy / link).symlink_to(aim)
    with pytest.raises(ExportError, match="is a link"):
        add(onnx, deploy)
    assert tree(aim) == {}


def test_promoting_follows_no_planted_link(toy, deploy, tmp_path):
    add(toy, deploy)
    (deploy / "kubernetes").rename(tmp_path / "home")
    (deploy / "kubernetes").symlink_to(tmp_path / "home")
    before = tree(tmp_path)
    with pytest.raises(ExportError, match="is a link"):
        promote(deploy, "toy")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["bundle.json", "models.config", "compose.yaml"])
def test_a_dangling_link_in_place_of_a_file_is_replaced(toy, deploy, tmp_path, name):
    deploy.mkdir()
    (deploy / name).symlink_to(tmp_path / "home")
    add(toy, deploy)
    assert not (tmp_path / "home").exists()
    assert (deploy / name).is_file() and not (deploy / name).is_symlink()


def test_a_link_or_a_file_takes_the_number_of_a_version(toy, deploy, tmp_path):
    (deploy / "models" / "toy").mkdir(parents=True)
    (deploy / "models" / "toy" / "3").symlink_to(tmp_path / "nowhere")
    (deploy / "models" / "toy" / "2").write_text("")
    assert add(toy, deploy).version == 4
    assert not (tmp_path / "nowhere").exists()


def test_versions_are_numbers_of_64_bits_and_end_with_the_largest(toy, deploy):
    (deploy / "models" / "toy" / str(1 << 63)).mkdir(parents=True)
    (deploy / "models" / "toy" / ("9" * 200)).mkdir()
    assert add(toy, deploy).version == 1
    (deploy / "models" / "toy" / str((1 << 63) - 1)).mkdir()
    with pytest.raises(ExportError, match="the last number"):
        add(toy, deploy)


KILLING = """if True:
    import os, shutil, sys, json
    from pathlib import Path
    from export.serving.bundle import add, promote
    from export.serving.lint import lint
    import export.serving.warmup, export.serving.savedmodel, yaml, google_crc32c
    source, work, act, *events = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
    start, deploy = work / "start", work / "deploy"
    last = [None, 0]
    def hook(event, arguments):
        if last[0] is not None and event in events:
            last[1] += 1
            if last[1] == last[0]:
                os._exit(9)
    def run():
        promote(deploy, "toy") if act == "promote" else add(source, deploy)
    def killed_at(number):
        child = os.fork()
        if not child:
            sys.addaudithook(hook)
            last[0] = number
            run()
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    start.mkdir()
    for _ in range(0 if act == "first" else 2):
        add(source, start)
    found, number, status = [], 1, 9
    while status == 9:
        shutil.rmtree(deploy, ignore_errors=True)
        shutil.copytree(start, deploy)
        status = killed_at(number)
        half = [f.text for f in lint(deploy)] if (deploy / "bundle.json").exists() else []
        unsaid = not half and any(deploy.glob("models/toy/[3-9]/*")) and status == 9
        if unsaid and '"3"' not in (deploy / "bundle.json").read_text():
            found.append([number, "an orphan that --check does not tell of"])
        run()
        litter = [p.name for p in deploy.rglob(".*")]
        found += [[number, text] for text in [f.text for f in lint(deploy)] + litter]
        number += 1
    print(json.dumps([number, status, found]))
"""


RENAMES = ("os.rename",)
EVENTS = ("os.rename", "os.link", "os.mkdir", "shutil.rmtree", "os.remove", "open")


@pytest.mark.parametrize(
    ("act", "events"),
    [
        ("second", RENAMES),
        *(pytest.param(act, EVENTS, marks=pytest.mark.slow) for act in ("first", "second")),
        pytest.param("promote", EVENTS, marks=pytest.mark.slow),
    ],
)
def test_the_next_run_mends_whatever_a_killed_one_left(toy, tmp_path, act, events):
    command = [sys.executable, "-c", KILLING, toy, tmp_path, act, *events]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    kills, status, found = json.loads(done.stdout)
    assert (status, found) == (0, [])
    assert kills > 8


def test_a_version_that_a_killed_run_left_is_told_of_and_taken_away(toy, deploy):
    added = add(toy, deploy)
    ledger = read_ledger(deploy)
    files = ledger.find("tf-serving", "toy").versions[1].files
    orphan = Pending("tf-serving", "toy", 1, files)
    write_ledger(deploy, Ledger(generated=ledger.generated, pending=orphan))
    assert any("killed" in finding.text for finding in lint(deploy))
    assert add(toy, deploy).version == 1
    assert added.folder.is_dir()
    assert lint(deploy) == []


def test_what_somebody_put_where_a_killed_run_would_have_is_never_taken_away(toy, deploy):
    add(toy, deploy)
    theirs = deploy / "models" / "toy" / "2" / "saved_model.pb"
    theirs.parent.mkdir()
    theirs.write_bytes(b"mine")
    ledger = read_ledger(deploy)
    waiting = Pending("tf-serving", "toy", 2, {"saved_model.pb": "0" * 64})
    write_ledger(deploy, Ledger(**{**vars(ledger), "pending": waiting}))
    assert add(toy, deploy).version == 3
    assert theirs.read_bytes() == b"mine"


def test_a_disk_that_is_full_at_the_ledger_leaves_no_version(toy, deploy, monkeypatch):
    written = []

    def full(to, ledger):
        written.append(ledger)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        write_ledger(to, ledger)

    add(toy, deploy)
    before = tree(deploy)
    monkeypatch.setattr("export.serving.bundle.write_ledger", full)
    with pytest.raises(ExportError, match="is full"):
        add(toy, deploy)
    assert tree(deploy) == before


def test_two_killed_runs_in_a_row_are_not_taken_for_an_edit(toy, deploy):
    add(toy, deploy)
    old = tree(deploy)
    for _ in range(3):
        add(toy, deploy)
        for name, content in old.items():
            if name.name != "bundle.json":
                (deploy / name).write_bytes(content)
    add(toy, deploy)
    assert lint(deploy) == []


def test_a_version_its_ledger_and_its_configs_are_on_disk_before_a_run_ends(
    toy, deploy, monkeypatch
):
    import os

    synced = set()
    real = os.fsync

    def fsync(handle):
        synced.add(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    add(toy, deploy)
    wanted = {"saved_model.pb", "variables.index", "tf_serving_warmup_requests", "models", "toy"}
    assert wanted <= synced
    assert any(name.startswith(".bundle.json.") for name in synced)
    assert any(name.startswith(".models.config.") for name in synced)
