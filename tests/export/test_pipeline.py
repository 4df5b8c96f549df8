"""The whole way, and its bad days: the old artifact or the new one, and never an untrue report."""

import errno
import hashlib
import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from export import export_model, verify
from export.errors import ArtifactError, ExportError, MissingLane
from export.formats import FORMATS
from export.gate.examine import Wish
from export.pictures import Shown
from export.pipeline import Options
from export.process import in_this_process
from export.report.file import as_dict, read_report
from export.results import REORDERED, Status

lane = pytest.mark.lane


def look_here():
    """Look at artifacts in this process, and draw no pages: both would take most of the time."""
    stack = ExitStack()
    stack.enter_context(in_this_process())
    stack.enter_context(mock.patch("export.exporting.draw"))
    return stack


@pytest.fixture
def here():
    with look_here():
        yield


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


NONE_ALLOWED = replace(REORDERED, fixed=0.0)


@pytest.fixture
def fixed(monkeypatch):
    """Bounds are the formats' own, for the network's noise is not measured."""
    monkeypatch.setattr("export.observe.model.with_noise", lambda seen, *_: seen)
    return monkeypatch


@pytest.fixture(scope="module")
def verified(toy, tmp_path_factory):
    """The folder that a verified ONNX artifact was exported to."""
    out = tmp_path_factory.mktemp("verified")
    with look_here():
        (report,) = export_model(toy("plain"), ["onnx"], out)
    assert report.passed
    return out


@pytest.fixture
def good(here, verified, out):
    """A copy of the artifact, to be replaced or damaged."""
    shutil.copytree(verified, out)
    return out / "plain" / "onnx"


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def status(report, name):
    return report.check(name).status


def test_the_whole_way_with_its_child_processes(toy, out):
    """The one export and the one verification that nothing is taken out of."""
    said = []
    options = Options(
        weights_source="seeded:1",
        flavour="paddle",
        batch_sizes=(1, 2),
        seed=7,
        command=("python", "tools/export.py"),
    )
    reports = export_model(
        toy("plain"),
        ["savedmodel", "onnx", "onnx"],
        out,
        options=options,
        progress=lambda *words: said.append(words),
    )
    assert [report.format for report in reports] == ["savedmodel", "onnx"]
    for report in reports:
        assert report.passed
        folder = out / "plain" / report.format
        assert report.folder == str(folder)
        assert json.loads((folder / "report.json").read_text()) == as_dict(report)
        assert read_report(folder) == report
        assert report.options == {
            "classes": 5, "image": [32, 32, 3], "flavour": "paddle", "batch_sizes": [1, 2],
            "seed": 7,
        }  # fmt: skip
        assert report.weights["source"] == "seeded:1"
        assert report.command == ("python", "tools/export.py")
        assert report.cost.peak_rss_bytes > 100_000_000
        assert (report.format, "verifying") in said
    assert {path.name for path in out.iterdir()} == {"plain"}

    before = contents(out)
    again = verify(toy("plain"), out / "plain" / "onnx")
    assert again.passed
    assert again.checks[0].name == "hashes"
    assert {check.name for check in again.checks} >= {c.name for c in reports[1].checks}
    assert contents(out) == before, "verifying writes nothing"


@lane
def test_the_whole_way_to_tftrt_gives_the_same_bytes_every_time(toy, out, written):
    (report,) = export_model(toy("plain"), ["tftrt-fp16"], out)
    assert report.passed
    assert status(report, "fp16-range") is Status.PASSED
    assert status(report, "engine") in (Status.SKIPPED, Status.PASSED)
    assert set(contents(out / "plain" / "tftrt-fp16")) >= {"1/saved_model.pb", "report.json"}
    made = (out / "plain" / "tftrt-fp16" / "1" / "saved_model.pb").read_bytes()
    assert made == (written("plain", "tftrt-fp16") / "1" / "saved_model.pb").read_bytes()


def test_random_weights_and_the_models_own_warnings_reach_the_report(here, toy, out, monkeypatch):
    from export.observe import model as reference

    own = reference.observe_model
    monkeypatch.setattr(
        reference,
        "observe_model",
        lambda *given, **how: replace(own(*given, **how), warnings=("pixels",)),
    )
    options = Options(weights_source="seeded:1")
    (report,) = export_model(toy("plain"), ["onnx"], out, options=options)
    assert report.warnings == ("random weights: for trying only", "pixels")
    assert read_report(report.folder).warnings == report.warnings
    assert verify(toy("plain"), report.folder).warnings == report.warnings


def test_a_required_check_that_is_skipped_fails_the_export_and_the_verification(here, toy, out):
    wish = Wish(require=("params",))  # a toy has no counts in the catalog
    (report,) = export_model(toy("plain"), ["onnx"], out, options=Options(wish=wish))
    assert not report.passed
    assert status(report, "params") is Status.FAILED
    assert read_report(report.folder) == report
    assert verify(toy("plain"), report.folder).passed
    again = verify(toy("plain"), report.folder, wish=Wish(require=("params", "hashes", "engine")))
    failed = {check.name for check in again.checks if check.status is Status.FAILED}
    assert failed == {"params", "engine"}


def test_given_images_are_compared_as_well(here, toy, out):
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    (report,) = export_model(toy("plain"), ["onnx"], out, images=images)
    again = verify(toy("plain"), report.folder, images=images[:1])
    for told, count in ((report, 11), (again, 9)):
        parity = told.check("parity")
        assert told.passed
        assert f"top-1 equal on {count} of {count}" in parity.note


def test_the_report_tells_the_file_that_weights_were_read_from(here, toy, out):
    options = Options(weights_source="vgg13.pth", weights_file_sha256="12ab")
    (report,) = export_model(toy("plain"), ["onnx"], out, options=options)
    told = read_report(report.folder).weights
    assert (told["source"], told["file_sha256"]) == ("vgg13.pth", "12ab")
    assert told["sha256"] != "12ab"


def test_pictures_of_the_users_are_shown_beside_what_both_take_them_for(toy, out):
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    shown = Shown(("a.jpg", "b.jpg", "c.jpg"), ("one", "two", "three", "four", "five"))
    options = Options(wish=Wish(shown=shown))
    (report,) = export_model(toy("plain"), ["onnx"], out, images=images, options=options)
    pictures = report.check("parity").details["pictures"]
    assert [entry["name"] for entry in pictures] == ["a.jpg", "b.jpg", "c.jpg"]
    best = np.asarray(toy("plain")(images)).argmax(axis=1)
    assert [entry["model"][0]["label"] for entry in pictures] == [shown.labels[k] for k in best]
    assert all(entry["model"][0]["label"] == entry["artifact"][0]["label"] for entry in pictures)
    assert "<strong>a.jpg</strong>" in Path(report.folder, "report.html").read_text()


def test_given_images_of_another_size_are_refused_and_nothing_is_left(here, toy, out):
    with pytest.raises(ValueError, match="images to compare on are"):
        export_model(toy("plain"), ["onnx"], out, images=np.zeros((1, 16, 16, 3), np.float32))
    assert contents(out) == {}


def test_a_new_artifact_replaces_the_old_one(good, toy, out):
    (good / "left.txt").write_text("of an older kind of artifact")
    content = json.loads((good / "report.json").read_text())
    content["artifact"]["files"]["left.txt"] = "0" * 64
    (good / "report.json").write_text(json.dumps(content))
    (report,) = export_model(toy("plain"), ["onnx"], out, options=Options(seed=3))
    assert read_report(good).options["seed"] == 3
    assert "left.txt" not in contents(good)
    assert {path.name for path in out.iterdir()} == {"plain"}


def test_a_failed_artifact_does_not_replace_a_passed_one(good, toy, out, fixed):
    before = contents(good)
    fixed.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], rule=NONE_ALLOWED))
    (report,) = export_model(toy("plain"), ["onnx"], out)
    assert not report.passed
    assert status(report, "parity") is Status.FAILED
    assert report.folder == str(out / "plain" / "onnx.failed")
    assert contents(good) == before
    assert not read_report(out / "plain" / "onnx.failed").passed


def test_a_failed_artifact_takes_the_place_of_none_and_of_a_failed_one(here, toy, out, fixed):
    fixed.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], rule=NONE_ALLOWED))
    for seed in (1, 2):
        (report,) = export_model(toy("plain"), ["onnx"], out, options=Options(seed=seed))
        assert report.folder == str(out / "plain" / "onnx")
        assert read_report(out / "plain" / "onnx").options["seed"] == seed
    fixed.undo()
    (report,) = export_model(toy("plain"), ["onnx"], out)
    assert read_report(out / "plain" / "onnx").passed


def test_one_format_that_fails_does_not_keep_another_from_its_place(here, toy, out, fixed):
    fixed.setitem(FORMATS, "savedmodel", replace(FORMATS["savedmodel"], rule=NONE_ALLOWED))
    reports = export_model(toy("plain"), ["savedmodel", "onnx"], out)
    assert [report.passed for report in reports] == [False, True]
    assert (out / "plain" / "onnx" / "model.onnx").exists()


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("export.formats.onnx.Onnx.write", OSError(errno.ENOSPC, "No space left on device")),
        ("export.formats.onnx.Onnx.write", KeyboardInterrupt()),
        ("export.skeleton.tracing.trace", MemoryError()),
        ("export.observe.model.observe_model", RuntimeError("a bug")),
        ("export.gate.examine.observe", ExportError("observe was killed")),
        ("export.exporting.write_report", OSError(errno.ENOSPC, "No space left on device")),
        ("export.place.Place.publish", OSError(errno.EIO, "Input/output error")),
    ],
    ids=["disk full", "interrupt", "memory", "a bug", "child killed", "disk full late", "rename"],
)
def test_whatever_fails_on_the_way_leaves_the_old_artifact_and_no_litter(
    good, toy, out, monkeypatch, target, error
):
    before = contents(out)
    monkeypatch.setattr(target, mock.Mock(side_effect=error))
    with pytest.raises((type(error), ExportError)):
        export_model(toy("plain"), ["onnx"], out)
    assert contents(out) == before
    assert not (out / ".staging").exists()


def test_a_disk_too_small_is_told_before_anything_is_written(good, toy, out, monkeypatch):
    before = contents(out)
    monkeypatch.setattr("shutil.disk_usage", lambda path: mock.Mock(free=10_000))
    with pytest.raises(ExportError, match=r"take .* and .* has 10.0 kB free, .* too little; free"):
        export_model(toy("plain"), ["onnx"], out)
    assert contents(out) == before


def test_a_disk_that_fills_up_is_told_with_what_to_do(toy, out, monkeypatch):
    full = mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr("export.formats.onnx.Onnx.write", full)
    with pytest.raises(ExportError, match="^no space left in .*exports.*: .* free; free some, or"):
        export_model(toy("plain"), ["onnx"], out)


def test_a_lane_that_cannot_exist_is_told_before_any_work(toy, out, monkeypatch):
    missing = mock.Mock(side_effect=MissingLane("the lane tf217 cannot exist here"))
    monkeypatch.setattr("export.exporting.make_lane", missing)
    with pytest.raises(MissingLane):
        export_model(toy("plain"), ["onnx", "tftrt-fp16"], out)
    assert not out.exists()


def test_an_out_that_is_a_file_is_an_export_error(toy, tmp_path):
    (tmp_path / "file").write_text("the user's")
    with pytest.raises(ExportError, match="cannot write to .*choose another --out"):
        export_model(toy("plain"), ["onnx"], tmp_path / "file")
    assert (tmp_path / "file").read_text() == "the user's"


@pytest.mark.parametrize("name", ["onnx", "onnx.failed"])
def test_a_folder_of_the_users_is_told_before_any_work(toy, out, monkeypatch, name):
    work = mock.Mock(side_effect=AssertionError("work began"))
    monkeypatch.setattr("export.exporting.make_lane", work)
    monkeypatch.setattr("export.skeleton.tracing.trace", work)
    mine = out / "plain" / name / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("two years of work")
    with pytest.raises(ExportError, match=f"{name} holds thesis.txt, and no report.json of this"):
        export_model(toy("plain"), ["tftrt-fp16", "onnx"], out)
    assert contents(out).keys() == {f"plain/{name}/thesis.txt"}


def test_what_a_user_puts_there_during_an_export_stays(here, toy, out, monkeypatch):
    def write(*_):
        (out / "plain" / "onnx").mkdir(parents=True)
        (out / "plain" / "onnx" / "thesis.txt").write_text("two years of work")

    monkeypatch.setattr("export.exporting.draw", write)
    with pytest.raises(ExportError, match="onnx holds thesis.txt"):
        export_model(toy("plain"), ["onnx"], out)
    assert contents(out).keys() == {"plain/onnx/thesis.txt"}


def test_exports_that_name_formats_in_another_order_do_not_wait_for_each_other(here, toy, out):
    order = []
    for formats in (["savedmodel", "onnx"], ["onnx", "savedmodel"]):
        with (
            mock.patch(
                "export.exporting.staged", side_effect=lambda *a: order.append(a[2]) or stop()
            ),
            pytest.raises(KeyboardInterrupt),
        ):
            export_model(toy("plain"), formats, out)
    assert order == ["onnx", "onnx"]


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("formats", "message"),
    [([], "no format was asked for"), (["onnx", "tflite"], "no format is called 'tflite'")],
)
def test_formats_that_make_no_sense_are_refused(toy, out, formats, message):
    with pytest.raises(ValueError, match=message):
        export_model(toy("plain"), formats, out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up"])
def test_a_name_that_leads_out_of_the_folder_is_refused(out, name):
    model = mock.Mock()
    model.name = name
    with pytest.raises(ValueError, match="a model's name becomes a folder's"):
        export_model(model, ["onnx"], out)
    assert not out.exists()


@pytest.mark.parametrize("sizes", [(), (0,), (1, -1)])
def test_batch_sizes_that_make_no_sense_are_refused(sizes):
    with pytest.raises(ValueError, match="whole numbers from 1 up"):
        Options(batch_sizes=sizes)


DAMAGES = {
    "has changed": lambda folder: flip(folder / "model.onnx"),
    "is gone": lambda folder: (folder / "model.onnx").unlink(),
    "is not in the report": lambda folder: (folder / "extra.bin").write_bytes(b"x"),
}


def flip(path):
    """Flip one bit of a weight in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_verifying_compares_every_file_with_the_report(good, toy, damage):
    DAMAGES[damage](good)
    report = verify(toy("plain"), good)
    hashes = report.checks[0]
    assert (hashes.name, hashes.status, hashes.measured) == ("hashes", Status.FAILED, 1)
    assert hashes.note.endswith(damage)
    assert not report.passed
    why = "not asked: the files are not those of the report"
    assert {(check.status, check.note) for check in report.checks[1:]} == {(Status.SKIPPED, why)}


def test_without_hashes_the_other_checks_judge(good, toy):
    flip(good / "model.onnx")
    report = verify(toy("plain"), good, compare_hashes=False)
    assert status(report, "weights") is Status.FAILED
    assert "hashes" not in {check.name for check in report.checks}
    (good / "model.onnx").unlink()
    assert not verify(toy("plain"), good, compare_hashes=False).passed


def test_a_report_cannot_switch_the_check_of_weights_off(good, toy):
    """It says that the converter worked with the weights, which it does not for this network."""
    flip(good / "model.onnx")
    told = json.loads((good / "report.json").read_text())
    told["artifact"]["stock"] = "the converter lost conv1/kernel"
    (good / "report.json").write_text(json.dumps(told))
    report = verify(toy("plain"), good, compare_hashes=False)
    assert status(report, "weights") is Status.FAILED


def test_an_artifact_is_not_that_of_another_model(good, toy):
    import keras

    from keras_nets.weights.seeded import seed_weights

    other = seed_weights(keras.models.clone_model(toy("plain")), 99)
    report = verify(other, good)
    assert report.checks[0].note == "the model's weights are not those of the report"
    assert status(report, "weights") is Status.FAILED
    assert status(report, "parity") is Status.FAILED


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "report.json").unlink(), "has no report.json"),
        (lambda folder: (folder / "report.json").write_text("{"), "is not a report"),
        (shutil.rmtree, "is not there; name a folder"),
    ],
)
def test_a_folder_without_a_readable_report_cannot_be_verified(good, toy, spoil, message):
    spoil(good)
    with pytest.raises(ArtifactError, match=message):
        verify(toy("plain"), good)


def test_the_package_gives_its_functions_without_importing_anything_heavy():
    import export

    assert {"export_model", "verify", "Options", "Expected", "FORMATS"} <= set(export.__all__)
    assert all(getattr(export, name) is not None for name in export.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        export.nothing  # noqa: B018


def test_swapped_arguments_of_verify_are_told_and_taken(export_toy, toy):
    report = export_toy("plain", "onnx")
    with pytest.warns(FutureWarning, match="verify takes the model first"):
        assert verify(Path(report.folder), toy("plain")).passed


@pytest.mark.parametrize(("model", "folder"), [("a", "b"), (None, "b"), ("model", None)])
def test_verify_without_a_model_or_without_a_folder_says_what_it_takes(toy, model, folder):
    model = toy("plain") if model == "model" else model
    with pytest.raises(ValueError, match="^verify takes a "):
        verify(model, folder)


def test_a_name_is_no_model_to_export(tmp_path):
    with pytest.raises(ValueError, match="export_model takes a Keras model.* Received: 'vgg13'"):
        export_model("vgg13", "onnx", tmp_path)
