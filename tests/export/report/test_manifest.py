"""What changed since an artifact was written, told from its report."""

import os
import socket
from dataclasses import replace

import numpy as np
import pytest

from export.formats import find_format
from export.formats.structure import structure_of_onnx
from export.report.file import describe_artifact, environment
from export.report.manifest import compare_files, hashes, note_graph_changes, structure
from export.results import Cost, Report, Status, verdict


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph and weights")
    return tmp_path


@pytest.fixture
def told(folder):
    artifact = describe_artifact(folder) | {"graph_sha256": "a" * 64}
    return Report(
        model="toy",
        format="onnx",
        checks=(),
        weights={"source": "given", "sha256": "w"},
        artifact=artifact,
        options={},
        cost=Cost(1, 1, 1),
        environment=environment(),
    )


def now(graph: str):
    return (verdict("graph", True, 0, 0, details={"structure": graph * 64}),)


def test_nothing_changed(folder, told):
    check = hashes(folder, told, "w", now("a"))
    assert (check.status, check.note) == (Status.PASSED, "1 file as when they were written")
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


def test_what_is_there_no_more_is_told(folder, told):
    then = {**told.environment, "cuda": "12.1"}
    check = hashes(folder, replace(told, environment=then), "w", now("a"))
    assert check.status is Status.PASSED
    assert check.note.endswith("verified with cuda none for 12.1")


def test_the_lane_s_versions_stand_beside_ours():
    versions = environment("tf217")
    assert versions["tensorflow of tf217"] == "2.17.1"
    assert versions["keras-nets"]
    assert "tensorflow of tf217" not in environment()


def test_a_report_in_a_folder_of_the_artifact_is_a_file_like_others(folder, told):
    (folder / "sub").mkdir()
    (folder / "sub" / "report.json").write_text("{}")
    check = hashes(folder, told, "w", now("a"))
    assert (check.status, check.measured) == (Status.FAILED, 1)
    assert check.note.endswith("sub/report.json is not in the report")


def test_a_size_that_is_not_that_of_the_files_fails(folder, told):
    altered = replace(told, artifact={**told.artifact, "bytes": 3})
    check = hashes(folder, altered, "w", now("a"))
    assert check.status is Status.FAILED
    assert check.note == "the report says 3 bytes of 17"


def test_another_hash_of_the_same_files_graph_is_told_and_fails_nothing(folder, told):
    check = hashes(folder, told, "w", now("b"))
    assert check.status is Status.PASSED
    assert check.note.endswith("; the graph's hash is another than the report says")


def test_the_structure_of_onnx_has_no_names():
    import onnx
    from onnx import helper, numpy_helper

    def graph(kernel, axes, axis=1):
        nodes = [
            helper.make_node("Unsqueeze", ["x", axes], ["wide"]),
            helper.make_node("MatMul", ["wide", kernel], ["logits"]),
        ]
        held = [
            numpy_helper.from_array(np.ones((3, 4), np.float32), kernel),
            numpy_helper.from_array(np.int64([axis]), axes),
        ]
        ends = [
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)]
            for name in ("x", "logits")
        ]
        return structure_of_onnx(helper.make_graph(nodes, "g", *ends, initializer=held))

    assert graph("a", "b") == graph("z", "axes_30") == graph("b", "a")
    assert graph("a", "b") != graph("a", "b", axis=2)


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

    from export.formats.base import Order
    from export.skeleton.tracing import trace
    from keras_nets.weights.seeded import seed_weights

    def structure_of(model, name: str) -> str:
        made, spare = tmp_path / name, tmp_path / f"{name}-spare"
        made.mkdir(), spare.mkdir()
        find_format(format).write(Order(skeleton=trace(model), folder=made, scratch=spare))
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


def bind(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # a socket's path has a short limit


STRANGE = [
    ("2", "2 is a link", lambda path: path.symlink_to("/etc")),
    ("link", "link is a link", lambda path: path.symlink_to("/nowhere")),
    ("pipe", "pipe is a pipe", os.mkfifo),
    ("socket", "socket is a socket", bind),
    ("3", "3/ is an empty folder", lambda path: path.mkdir()),
    ("1/2/3", "1/2/3/ is an empty folder", lambda path: path.mkdir(parents=True)),
    (".hidden", ".hidden is not in the report", lambda path: path.write_text("")),
    ("report.html", "report.html is a pipe", os.mkfifo),
]


@pytest.mark.parametrize(("name", "note", "make"), STRANGE)
def test_what_is_no_file_of_the_report_fails_at_once(folder, told, name, note, make):
    make(folder / name)
    check = hashes(folder, told, "w", now("a"))
    assert (check.status, check.measured) == (Status.FAILED, 1)
    assert check.note.endswith(note)


def test_a_pipe_or_a_link_in_the_place_of_a_file_is_not_read(folder, told, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "model.onnx"
    (folder / "model.onnx").rename(elsewhere)
    (folder / "model.onnx").symlink_to(elsewhere)
    assert compare_files(folder, told).changed == {"model.onnx": "is a link"}
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    assert compare_files(folder, told).changed == {"model.onnx": "is a pipe"}


def test_a_file_far_beyond_the_report_is_not_read(folder, told, monkeypatch):
    with (folder / "model.onnx").open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    assert compare_files(folder, told).changed == {"model.onnx": "has changed"}


def test_the_empty_folder_that_tensorflow_makes_is_no_difference(folder, told):
    (folder / "1" / "assets").mkdir(parents=True)
    assert compare_files(folder, told).same


def with_ops(graph: str, **ops):
    return (verdict("graph", True, 0, 0, details={"structure": graph * 64, "ops": ops}),)


def test_an_edited_graph_says_what_changed(told):
    told = replace(told, checks=with_ops("a", Relu=26, Conv=3))
    (check,) = note_graph_changes(told, with_ops("b", Relu=25, Conv=3, Neg=1))
    assert check.note == "not the graph of the report: Neg 0 -> 1, Relu 26 -> 25"
    (check,) = note_graph_changes(told, with_ops("b", Relu=26, Conv=3))
    assert check.note.endswith("the same operations, set or connected in another way")
    (same,) = note_graph_changes(told, with_ops("a", Relu=26, Conv=3))
    assert same.note == ""


def test_of_a_report_that_knows_no_operations_nothing_is_said(told):
    checks = with_ops("b", Relu=25)
    assert note_graph_changes(told, checks) == checks
