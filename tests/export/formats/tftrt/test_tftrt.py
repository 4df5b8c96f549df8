"""TF-TRT artifacts: one engine, every weight once, readable by TensorFlow 2.17."""

import re
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace

import keras
import numpy as np
import psutil
import pytest
from keras import layers
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from export.errors import ExportError, PourError
from export.exporting import Export
from export.formats import FORMATS, tftrt
from export.formats.base import Order
from export.formats.tftrt import MODEL, TfTrt, _placements
from export.formats.tftrt.preparation import Form
from export.formats.tftrt.stand_ins import value_of
from export.lanes import make
from export.observe.model import observe_model
from export.process import ChildFailed, ask_script
from export.skeleton.graph import copied
from export.skeleton.pour import mark, marked
from export.skeleton.tracing import trace

lane = pytest.mark.lane


@pytest.fixture(scope="module")
def plain(written):
    return written("plain", "tftrt-fp16")


@pytest.fixture(scope="module")
def graph(plain):
    model = saved_model_pb2.SavedModel.FromString((plain / MODEL).read_bytes())
    return model.meta_graphs[0].graph_def


@lane
def test_the_whole_network_is_one_dynamic_engine(graph):
    assert sorted(node.op for node in graph.node) == ["Identity", "Placeholder", "TRTEngineOp"]
    (engine,) = (node for node in graph.node if node.op == "TRTEngineOp")
    assert engine.attr["precision_mode"].s == b"FP16"
    assert engine.attr["static_engine"].b is False
    assert engine.attr["serialized_segment"].s == b""
    assert engine.attr["max_cached_engines_count"].i == 3


@lane
def test_each_weight_stands_in_the_file_once(plain, skeleton):
    content = (plain / MODEL).read_bytes()
    assert len(content) < skeleton("plain").weight_bytes + 25_000
    for weight in skeleton("plain").weights:
        assert content.count(weight.read().tobytes()) == 1, weight.name


LOADER = """
def work(job, arrays):
    import tensorflow as tf
    from tensorflow.python.compiler.tensorrt import trt_convert
    loaded = tf.saved_model.load(job["model"])
    signature = loaded.signatures["serving_default"]
    inputs = signature.structured_input_signature[1].items()
    return {
        "version": tf.__version__,
        "signatures": list(loaded.signatures),
        "inputs": {name: tensor.shape.as_list() for name, tensor in inputs},
        "outputs": list(signature.structured_outputs),
        "ops": sorted({node.op for node in signature.graph.as_graph_def().node}),
    }, {}
"""


@lane
def test_the_loader_of_tensorflow_2_17_takes_it(plain, tmp_path):
    script = tmp_path / "loader.py"
    script.write_text(LOADER)
    python, job = make("tf217").python, {"model": str(plain / "1")}
    found, _ = ask_script(python, script, job, {}, tmp_path)
    assert found["version"] == "2.17.1"
    assert found["signatures"] == ["serving_default"]
    assert found["inputs"] == {"image": [None, 32, 32, 3]}
    assert found["outputs"] == ["logits"]
    assert "TRTEngineOp" in found["ops"]


@lane
def test_the_native_segment_runs_at_any_batch(plain, toy, logits_of):
    for batch in (1, 2, 7):
        images = np.random.default_rng(batch).standard_normal((batch, 32, 32, 3), np.float32)
        wanted = np.asarray(toy("plain")(images, training=False))
        np.testing.assert_allclose(logits_of("tftrt-fp16", plain, images), wanted, atol=1e-5)


def first_size(node, size: int) -> None:
    node.attr["input_shapes"].list.shape[0].dim[0].size = size


def pass_on(node) -> None:
    """Make of an engine an Identity of its input."""
    name, source = node.name, node.input[0]
    node.Clear()
    node.name, node.op = name, "Identity"
    node.input.append(source)
    node.attr["T"].type = 1


@lane
@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda node: node.attr["precision_mode"].__setattr__("s", b"FP32"), "graph"),
        (lambda node: node.attr["static_engine"].__setattr__("b", True), "graph"),
        (lambda node: node.attr["max_cached_engines_count"].__setattr__("i", 1), "graph"),
        (lambda node: node.attr["segment_func"].func.__setattr__("name", "gone"), "contract"),
        (lambda node: first_size(node, -4097), "graph"),
        (lambda node: pass_on(node), "graph"),
        (lambda node: node.__setattr__("op", "Identity"), "contract"),
    ],
    ids=["precision", "static", "few engines", "no segment", "shapes", "no engine", "no operation"],
)
def test_an_engine_that_was_tampered_with_fails(plain, failures, tmp_path, change, check):
    folder = shutil.copytree(plain, tmp_path / "tampered")
    model = saved_model_pb2.SavedModel.FromString((folder / MODEL).read_bytes())
    for node in model.meta_graphs[0].graph_def.node:
        if node.op == "TRTEngineOp":
            change(node)
    (folder / MODEL).write_bytes(model.SerializeToString())
    assert check in failures("plain", "tftrt-fp16", folder)


def constants(*tensors):
    """A GraphDef of constants, each given as (name, shape, value repeated or array)."""
    graph = graph_pb2.GraphDef()
    for name, shape, values in tensors:
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = 1
        tensor = node.attr["value"].tensor
        tensor.dtype = 1
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        if isinstance(values, float):
            tensor.float_val.append(values)
        else:
            tensor.tensor_content = np.asarray(values, "<f4").tobytes()
    return graph


@pytest.fixture
def weights(skeleton):
    return skeleton("plain").weights[:3]  # conv1/kernel (3, 3, 3, 8), conv1/bias, conv2/kernel


def placed(graph, weights):
    forms = tuple(Form(index, weight.shape) for index, weight in enumerate(weights))
    return [(p.index, p.shape) for p in _placements(graph, forms, weights)]


def test_stand_ins_are_found_by_their_values_in_either_encoding(weights):
    graph = constants(
        ("k", (3, 3, 3, 8), np.full((3, 3, 3, 8), value_of(0))), ("b", (8,), value_of(1))
    )
    assert placed(graph, weights) == [(0, (3, 3, 3, 8)), (1, (8,))]
    contents = [node.attr["value"].tensor.tensor_content for node in graph.node]
    assert contents == [mark(0), mark(1)]
    assert [marked(content) for content in contents] == [0, 1]


def test_constants_that_are_no_stand_ins_are_left_alone(weights):
    mixed = np.full(8, value_of(1), np.float32)
    mixed[3] += 1e-3
    graph = constants(("a", (8,), mixed), ("b", (8,), 1.0), ("c", (8,), 0.1), ("d", (0,), []))
    before = graph.SerializeToString()
    assert placed(graph, weights) == []
    assert graph.SerializeToString() == before


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (3, 3, 24), (216,), ()])
def test_a_place_of_another_shape_is_an_error_that_names_the_weight(weights, shape):
    with pytest.raises(PourError, match=re.escape("gave conv1/kernel of shape (3, 3, 3, 8) a")):
        placed(constants(("k", shape, value_of(0))), weights)


@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 1, 8), (8, 1)])
def test_axes_of_length_one_may_have_moved(weights, shape):
    assert placed(constants(("b", shape, value_of(1))), weights) == [(1, shape)]


def test_values_of_stand_ins_are_unique_and_exact_in_float32():
    values = [value_of(index) for index in range(5000)]
    assert len(set(values)) == len({np.float32(value).item() for value in values}) == 5000
    assert all(np.float32(value).item() == value for value in values)


def converted(change=lambda graph: None):
    """A TfTrt whose lane only passes the graph through `change`."""

    class Passing(TfTrt):
        def convert(self, graph, order, *, explicit=False):
            made = copied(graph)
            change(made)
            return made

    return Passing(name="tftrt-fp16", title="a test")


def constant_of(graph, index):
    return next(
        node for node in graph.node
        if node.op == "Const" and list(node.attr["value"].tensor.float_val) == [value_of(index)]
    )  # fmt: skip


def lose(graph):
    constant_of(graph, 1).attr["value"].tensor.float_val[0] = 0.5


def double(graph):
    graph.node.add().CopyFrom(constant_of(graph, 1))
    graph.node[-1].name = "again"


def test_a_stand_in_that_the_pass_loses_is_named(skeleton, tmp_path, monkeypatch):
    from export.formats import stock

    monkeypatch.setattr(stock, "IMPORTS", 1 << 60)  # no memory for the converter's own way
    with pytest.raises(PourError, match="lost conv1/bias"):
        converted(lose).write(Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path))
    assert not (tmp_path / MODEL).exists()


def test_a_weight_that_two_engines_read_is_poured_into_both(skeleton, tmp_path):
    converted(double).write(Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path))
    content = (tmp_path / MODEL).read_bytes()
    counts = [content.count(weight.read().tobytes()) for weight in skeleton("plain").weights]
    assert counts == [1, 2, *[1] * (len(counts) - 2)]


def test_copies_that_pass_a_protobuf_are_an_error_and_no_work_for_the_stock_converter(
    skeleton, tmp_path, monkeypatch
):
    bytes = skeleton("plain").weight_bytes
    monkeypatch.setattr("export.formats.tftrt.LARGEST", bytes + (1 << 20))
    order = Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path)
    with pytest.raises(ExportError, match="in every engine that reads it, and those of plain pass"):
        converted(double).write(order)
    assert not (tmp_path / MODEL).exists()


def test_a_network_beyond_a_protobuf_is_refused_before_any_work(skeleton, tmp_path):
    weight = skeleton("plain").weights[0]
    huge = replace(skeleton("plain"), weights=(replace(weight, shape=(1 << 30,)),))
    with pytest.raises(PourError, match=r"one protobuf, which ends at 2 GiB.*4\.0 GiB"):
        FORMATS["tftrt-fp16"].write(Order(skeleton=huge, folder=tmp_path, scratch=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_layers_of_few_bits_are_refused_on_the_traced_network(mode):
    x = keras.Input((8,), name="x")
    model = keras.Model(x, layers.Dense(4, name="dense")(x), name="few")
    model.quantize(mode)
    why = FORMATS["tftrt-fp16"].limit(trace(model))
    kind = "int8" if mode == "int4" else mode  # two of them are packed into one
    assert why.startswith(f"dense of few computes in {kind}, of which TF-TRT makes no engine; ")


def test_bytes_and_flags_that_go_in_are_no_layers_of_few_bits():
    x = keras.Input((8, 8, 3), dtype="int8", name="x")
    model = keras.Model(x, layers.Conv2D(4, 1)(layers.Rescaling(0.5)(x)))
    assert FORMATS["tftrt-fp16"].limit(trace(model)) == ""


def test_convolutions_in_groups_are_refused_because_no_engine_builds(tmp_path):
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, groups=2, name="grouped")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(5, name="logits")(x), name="groups")
    with pytest.raises(
        PourError, match="in groups, and groups has 1, first grouped/Conv2D; export"
    ):
        FORMATS["tftrt-fp16"].write(Order(skeleton=trace(model), folder=tmp_path, scratch=tmp_path))
    assert list(tmp_path.iterdir()) == []


@lane
def test_a_conversion_that_was_begun_is_the_one_that_is_written(
    plain, skeleton, tmp_path, monkeypatch
):
    order = Order(skeleton=skeleton("plain"), folder=tmp_path / "made", scratch=tmp_path)
    order.folder.mkdir()
    monkeypatch.setattr(TfTrt, "convert", None)  # nobody asks the lane again
    with ExitStack() as held:
        before = psutil.Process().children()
        FORMATS["tftrt-fp16"].begin(order, held)
        (lane,) = set(psutil.Process().children()).difference(before)
        assert _ends(lane), "it takes 0.3 GB, and more of a large network"
        FORMATS["tftrt-fp16"].write(order)
        assert [path.name for path in tmp_path.iterdir()] == ["made"], "the lane has ended"
    assert (order.folder / MODEL).read_bytes() == (plain / MODEL).read_bytes()


def _ends(process, seconds=60) -> bool:
    """Whether a process ends by itself; nobody has waited for it then."""
    until = time.monotonic() + seconds
    while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.02)
    return process.status() == psutil.STATUS_ZOMBIE


@lane
def test_a_begun_lane_that_dies_fails_the_format_when_it_is_written(
    skeleton, tmp_path, monkeypatch
):
    monkeypatch.setattr(tftrt, "SCRIPT", "no_such_script.py")
    order = Order(skeleton=skeleton("plain"), folder=tmp_path / "made", scratch=tmp_path)
    order.folder.mkdir()
    with ExitStack() as held:
        FORMATS["tftrt-fp16"].begin(order, held)
        with pytest.raises(ChildFailed, match="^the TF-TRT pass failed"):
            FORMATS["tftrt-fp16"].write(order)


@lane
def test_the_lane_works_while_the_model_is_run(toy, tmp_path, monkeypatch):
    events, run, begin = [], observe_model, TfTrt.begin
    monkeypatch.setattr(TfTrt, "begin", lambda *args: (events.append("begun"), begin(*args))[1])
    running = lambda *args, **how: (events.append("run"), run(*args, **how))[1]  # noqa: E731
    monkeypatch.setattr("export.observe.model.observe_model", running)
    with Export(tmp_path, ["onnx", "tftrt-fp32", "tftrt-fp16"]) as export:
        export.write(toy("plain"))
    assert events == ["begun", "run"]
