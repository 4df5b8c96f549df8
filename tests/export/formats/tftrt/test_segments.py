"""What is counted as outside of engines, and how much of the work that is."""

import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from export.formats.tftrt.segments import casts, described, is_whole, outside, work


def network(*nodes):
    """A GraphDef of nodes, each given as "op name inputs...", all of float32."""
    graph = graph_pb2.GraphDef()
    for line in nodes:
        op, name, *inputs = line.split()
        graph.node.add(op=op, name=name, input=inputs)
    return graph


ENGINE = ("Placeholder image", "TRTEngineOp engine image", "Identity logits engine")


def test_an_engine_between_input_and_output_is_whole():
    assert is_whole(network(*ENGINE))
    assert described(network(*ENGINE)) == "1 engine"


@pytest.mark.parametrize(
    "nodes",
    [
        ("Const shape",),
        ("Const kernel", "Const shape", "Reshape kernel/flat kernel shape"),
        ("Const a", "Const b", "AddV2 sum a b", "Rsqrt root sum"),
        ("Cast cast image",),
        ("Cast cast image", "Real real cast"),
    ],
)
def test_what_depends_on_no_input_and_casts_of_inputs_may_stay_outside(nodes):
    assert is_whole(network(*ENGINE, *nodes))


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        (("Relu conv/Relu image",), ["conv/Relu"]),
        (("Const c", "AddV2 add image c"), ["add"]),
        (("Relu a image", "Cast b a"), ["a", "b"]),
        (("Real real image",), ["real"]),
        (("Shape shape image",), ["shape"]),
        (("StatelessWhile loop image:0",), ["loop"]),
        (("TRTEngineOp second engine",), []),
    ],
)
def test_all_else_is_outside(nodes, left):
    graph = network(*ENGINE, *nodes)
    assert [node.name for node in outside(graph)] == left
    assert not is_whole(graph)


def test_a_network_without_an_engine_is_not_whole():
    assert not is_whole(network("Placeholder image", "Identity logits image"))


def test_casts_are_those_of_inputs_alone():
    graph = network("Placeholder a", "Cast b a", "Cast c b", "Const d", "Cast e d")
    assert [node.name for node in casts(graph)] == ["b"]


def half_in_an_engine():
    """A network of two products of matrices, of which an engine does the larger one."""
    traced = tf.Graph()
    with traced.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
        h = tf.linalg.matmul(x, tf.ones((4, 30)), name="engine_product")
        tf.linalg.matmul(h, tf.ones((30, 1)), name="y")
    graph = traced.as_graph_def()

    @tf.function
    def segment(x):
        return tf.linalg.matmul(x, tf.ones((4, 30)))

    function = segment.get_concrete_function(tf.TensorSpec((None, 4)))
    definition = graph.library.function.add()
    definition.CopyFrom(function.function_def)
    node = next(node for node in graph.node if node.name == "engine_product")
    node.op = "TRTEngineOp"
    node.input[:] = ["x"]
    node.attr.clear()
    node.attr["segment_func"].func.name = definition.signature.name
    return graph


def test_work_is_counted_for_one_example_inside_and_outside():
    found = work(half_in_an_engine())
    assert (found.inside, found.outside, found.uncounted) == (120, 30, ())
    assert found.share == 0.8


def test_a_network_that_multiplies_nothing_has_no_share():
    graph = network("Placeholder image", "Identity logits image")
    graph.node[0].attr["dtype"].type = graph.node[1].attr["T"].type = 1
    assert work(graph).share == 0.0
