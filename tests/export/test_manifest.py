"""What changed since an artifact was written, told from its report."""

from dataclasses import replace

import pytest

from export.checks.base import verdict
from export.formats import find_format
from export.manifest import hashes, structure
from export.report import describe_artifact, environment
from export.results import Cost, Report, Status


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph and weights")
    return tmp_path


@pytest.fixture
def told(folder):
    artifact = describe_artifact(folder) | {"graph_sha256": "a" * 64}
    return Report("toy", "onnx", (), {"source": "given", "sha256": "w"}, artifact, {},
                  Cost(1, 1, 1), environment())  # fmt: skip


def now(graph: str):
    return (verdict("graph", True, 0, 0, details={"structure": graph * 64}),)


def test_nothing_changed(folder, told):
    check = hashes(folder, told, "w", now("a"))
    assert (check.status, check.note) == (Status.PASSED, "1 files as when they were written")
    assert check.details == {"graph": "the same"}


@pytest.mark.parametrize(("graph", "word"), [("a", "the same"), ("b", "another")])
def test_a_changed_file_tells_whether_the_graph_changed(folder, told, graph, word):
    (folder / "model.onnx").write_bytes(b"graph and other weights")
    check = hashes(folder, told, "w", now(graph))
    assert (check.status, check.measured) == (Status.FAILED, 1)
    assert check.note == f"the graph is {word}; model.onnx has changed"
    assert check.details["files"] == {"model.onnx": "has changed"}


def test_other_weights_of_the_model_fail(folder, told):
    check = hashes(folder, told, "x", now("a"))
    assert check.status is Status.FAILED
    assert check.note == "the model's weights are not those of the report"


def test_other_versions_are_told_and_fail_nothing(folder, told):
    then = {**told.environment, "numpy": "1.0"}
    del then["keras"]
    check = hashes(folder, replace(told, environment=then), "w", now("a"))
    assert check.status is Status.PASSED
    assert check.details["versions"]["numpy"] == ["1.0", environment()["numpy"]]
    assert f"keras {environment()['keras']} for none" in check.note


def test_a_report_without_a_graph_hash_is_read(folder, told):
    older = replace(told, artifact=describe_artifact(folder))
    assert hashes(folder, older, "w", now("a")).details == {}
    assert structure(()) == ""


@pytest.mark.parametrize(
    "format", ["savedmodel", "onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]
)
def test_the_structure_is_the_graphs_and_not_the_weights(toy, tmp_path, format):
    """Two exports of other weights have one structure, another network has another."""
    import keras

    from export.pipeline import Options
    from export.skeleton import trace
    from keras_nets.weights.seeded import seed_weights

    def structure_of(model, name: str) -> str:
        made, spare = tmp_path / name, tmp_path / f"{name}-spare"
        made.mkdir(), spare.mkdir()
        find_format(format).write(trace(model), made, spare, Options())
        return find_format(format).open(made).graph["structure"]

    def copy(layer=None, **changes):
        def clone(own):
            config = own.get_config() | (changes if own.name == layer else {})
            return type(own).from_config(config)

        return keras.models.clone_model(toy("plain"), clone_function=clone)

    first = structure_of(toy("plain"), "first")
    assert structure_of(seed_weights(copy(), 7), "second") == first
    shallow = seed_weights(copy("leaky1", negative_slope=0.2), 1)
    assert structure_of(shallow, "third") != first
