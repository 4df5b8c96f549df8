"""What evaluating takes from reports, how it groups artifacts, and that every loader pickles."""

import json
import pickle
from functools import partial
from operator import attrgetter

import pytest

from export.errors import ArtifactError
from export.evaluation.loaders import load_artifact
from export.evaluation.subjects import Known, by_model, read_evaluated, subjects_of
from export.report.artifact import identity

REPORT = {
    "schema": 1,
    "model": "vgg13",
    "format": "onnx",
    "passed": True,
    "checks": [],
    "weights": {"source": "seeded:0", "sha256": "abc"},
    "options": {"classes": 10, "image": [64, 64, 3], "flavour": "paddle"},
    "artifact": {"bytes": 4, "files": {"model.onnx": "0" * 64}},
    "cost": {"wall_s": 1, "cpu_s": 1, "peak_rss_bytes": 1},
    "environment": {},
    "command": [],
}


@pytest.fixture
def written(tmp_path):
    def write(folder=tmp_path, **changes):
        folder.mkdir(exist_ok=True)
        (folder / "model.onnx").write_bytes(b"onnx")
        (folder / "report.json").write_text(json.dumps(REPORT | changes))
        return folder

    return write


def test_a_report_says_how_to_build_and_feed_the_network(written):
    found = read_evaluated(written())
    assert (found.model, found.format, found.flavour) == ("vgg13", "onnx", "paddle")
    assert (found.image, found.classes, found.source) == ((64, 64, 3), 10, "seeded:0")
    assert found.passed


def test_an_artifact_that_failed_is_evaluated_all_the_same(written):
    failed = [{"name": "parity", "status": "failed"}]
    assert not read_evaluated(written(checks=failed)).passed
    assert not read_evaluated(written(passed=False)).passed


def test_artifacts_of_other_weights_have_another_origin(written):
    first = read_evaluated(written()).origin
    assert first == read_evaluated(written(format="savedmodel")).origin
    assert first != read_evaluated(written(weights={"source": "x", "sha256": "def"})).origin


def test_a_changed_file_changes_the_identity(written):
    folder = written()
    first = identity(read_evaluated(folder))
    (folder / "model.onnx").write_bytes(b"other")
    assert identity(read_evaluated(folder)) != first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"classes": 10, "image": [64, 64, 3]}}, "lacks 'flavour'"),
        ({"options": {"classes": 10, "image": [64, 64], "flavour": ""}}, "has no image"),
        ({"format": "tflite"}, "no format is called 'tflite'"),
        ({"weights": None}, "is no report"),
        ({"artifact": {"bytes": 3, "files": ["model.onnx"]}}, "is no report"),
        ({"artifact": {"bytes": 3, "files": {"../model.onnx": "0"}}}, "cannot name a file"),
        ({"artifact": {"bytes": 3, "files": {"weights.bin": "0"}}}, "weights.bin' is gone"),
    ],
)
def test_a_report_that_lacks_something_says_what(written, changes, message):
    with pytest.raises(ArtifactError, match=message):
        read_evaluated(written(**changes))


def test_a_folder_without_a_report_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="nothing"):
        read_evaluated(tmp_path / "nothing")


def test_an_artifact_that_does_not_open_is_an_artifact_error(written):
    with pytest.raises(ArtifactError):
        load_artifact(read_evaluated(written()))


def known(artifact, build=None) -> Known:
    return Known(read=str, reading="as text", build=build, source="seeded:0")


@pytest.fixture
def four(written, tmp_path):
    """Two formats of one model, then another model, then the first once more in another folder."""
    other = {"source": "x", "sha256": "def"}
    return [
        read_evaluated(written(tmp_path / "a")),
        read_evaluated(written(tmp_path / "b", format="savedmodel")),
        read_evaluated(written(tmp_path / "c", weights=other)),
        read_evaluated(written(tmp_path / "d")),
    ]


def test_each_keras_model_comes_before_the_artifacts_made_of_it(four, tmp_path):
    build = partial(attrgetter("model"), None)
    subjects = subjects_of(by_model(four), partial(known, build=build))
    assert [subject.name for subject in subjects] == [
        f"vgg13/keras of {tmp_path / 'a'}",
        str(tmp_path / "a"),
        "vgg13/savedmodel",
        str(tmp_path / "d"),
        f"vgg13/keras of {tmp_path / 'c'}",
        str(tmp_path / "c"),
    ]
    assert len({subject.group for subject in subjects}) == 2
    assert len({subject.identity for subject in subjects}) == 6
    names = [subject.name for subject in subjects_of(by_model(four[:2]), known)]
    assert names == ["vgg13/onnx", "vgg13/savedmodel"], "no model is built, so there is none"


def test_artifacts_of_different_class_counts_have_no_labels_in_common(written, tmp_path):
    narrow = written(tmp_path / "narrow", options={**REPORT["options"], "classes": 9})
    with pytest.raises(ValueError, match="different class counts .*narrow with 9"):
        by_model([read_evaluated(written(tmp_path / "wide")), read_evaluated(narrow)])


def test_loaders_pickle_from_modules_of_the_package(four):
    build = partial(attrgetter("model"), None)
    for subject in subjects_of(by_model(four), partial(known, build=build)):
        assert subject.load.func.__module__ == "export.evaluation.loaders"
        assert pickle.loads(pickle.dumps(subject)).load.func is subject.load.func
