"""What evaluating takes from a report, and what changes the identity of an artifact."""

import json

import pytest

from export.errors import ArtifactError
from export.evaluation.exported import open_exported, read_exported

REPORT = {
    "schema": 1,
    "model": "vgg13",
    "format": "onnx",
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
    def write(**changes):
        (tmp_path / "model.onnx").write_bytes(b"onnx")
        (tmp_path / "report.json").write_text(json.dumps(REPORT | changes))
        return tmp_path

    return write


def test_a_report_says_how_to_build_and_feed_the_network(written):
    found = read_exported(written())
    assert (found.model, found.format, found.flavour) == ("vgg13", "onnx", "paddle")
    assert (found.image, found.classes, found.weights) == ((64, 64, 3), 10, "seeded:0")
    assert found.passed


def test_artifacts_of_other_weights_have_another_origin(written):
    first = read_exported(written()).origin
    assert first == read_exported(written(format="savedmodel")).origin
    assert first != read_exported(written(weights={"source": "x", "sha256": "def"})).origin


def test_a_changed_file_changes_the_identity(written):
    folder = written()
    first = read_exported(folder).identity
    (folder / "model.onnx").write_bytes(b"other")
    assert read_exported(folder).identity != first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"classes": 10, "image": [64, 64, 3]}}, "lacks 'flavour'"),
        ({"options": {"classes": 10, "image": [64, 64], "flavour": ""}}, "not enough values"),
        ({"format": "tflite"}, "no format is called 'tflite'"),
        ({"weights": None}, "is not a report"),
        ({"artifact": {"bytes": 3, "files": ["model.onnx"]}}, "is not a report"),
        ({"artifact": {"bytes": 3, "files": {"weights.bin": "0"}}}, "weights.bin' is gone"),
    ],
)
def test_a_report_that_lacks_something_says_what(written, changes, message):
    with pytest.raises(ArtifactError, match=message):
        read_exported(written(**changes))


def test_a_folder_without_a_report_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="nothing"):
        read_exported(tmp_path / "nothing")


def test_an_artifact_that_does_not_open_is_an_artifact_error(written):
    with pytest.raises(ArtifactError):
        open_exported(read_exported(written()))
