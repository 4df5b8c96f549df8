"""A GraphDef as a function: what it gives, and what is left of it."""

import gc

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from export.networks.graph_function import GraphFunction


def graph_of(function, *specs):
    """The GraphDef of a function of tensors, and the names of its placeholders."""
    with tf.Graph().as_default() as graph:
        given = [tf.compat.v1.placeholder(spec.dtype, spec.shape) for spec in specs]
        made = function(*given)
        ends = [tensor.name for tensor in (made if isinstance(made, (list, tuple)) else [made])]
    return graph.as_graph_def(), [tensor.op.name for tensor in given], ends


FLOATS = tf.TensorSpec((None, 4), tf.float32)


def run(function, *values):
    graph, given, ports = graph_of(function, *(tf.TensorSpec(v.shape, v.dtype) for v in values))
    return [np.asarray(one) for one in GraphFunction(graph, given, ports)(list(values))]


def test_it_gives_what_the_graph_gives():
    (found,) = run(lambda x: tf.nn.relu(x) @ tf.transpose(x), tf.constant([[1.0, -2.0]]))
    assert found.tolist() == [[1.0]]


def test_outputs_of_every_kind_are_found():
    """Some operations have several outputs, of a number or of types that their attributes say."""

    def function(x):
        values, places = tf.math.top_k(x, 2)
        first, second = tf.split(x, 2, axis=1)
        shapes = tf.shape_n([first, x])
        return [values, places, second, shapes[1], tf.unstack(x, axis=1)[3]]

    found = run(function, tf.constant([[1.0, 4.0, 2.0, 3.0]]))
    assert [one.tolist() for one in found] == [
        [[4.0, 3.0]],
        [[1, 3]],
        [[2.0, 3.0]],
        [1, 4],
        [3.0],
    ]


def test_what_is_given_may_be_an_output_or_unused():
    first, second = tf.constant([1.0]), tf.constant([b"text"])
    assert run(lambda _, text: [text], first, second)[0].tolist() == [b"text"]


@pytest.mark.parametrize("name", ["given0", "made0_RetVal", "own0", "own_0made_RetVal"])
def test_nodes_may_be_called_as_they_like(name):
    """A model may call a layer, and so an output, as arguments of functions were called once."""

    def function(x):
        return [tf.identity(x + 1.0, name=name), tf.identity(x, name="own")]

    assert [one.tolist() for one in run(function, tf.constant([1.0]))] == [[2.0], [1.0]]


def test_functions_that_a_graph_calls_are_run_too():
    loop = lambda x: tf.while_loop(lambda x: x < 10, lambda x: [x * 2], [x])  # noqa: E731
    assert run(loop, tf.constant(3))[0] == 12
    doubled = tf.function(lambda x: x + x)
    assert run(doubled, tf.constant(3))[0] == 6


def test_functions_of_one_name_are_those_of_their_graphs():
    """An artifact may have a loop of the network's name that is not the network's."""
    found = []
    for factor in (2.0, 3.0):
        scaled = tf.function(lambda x, factor=factor: x * factor)
        graph, given, ports = graph_of(scaled, FLOATS)
        (call,) = (node for node in graph.node if node.attr["f"].func.name)
        (function,) = graph.library.function
        call.attr["f"].func.name = function.signature.name = "one_name"
        found += GraphFunction(graph, given, ports)([tf.ones((1, 4))])
    assert [one.numpy()[0, 0] for one in found] == [2.0, 3.0]


def test_what_waits_for_what_is_given_need_not_wait():
    graph, (given,), ports = graph_of(lambda x: x + 1.0, FLOATS)
    (added,) = (node for node in graph.node if node.op.startswith("Add"))
    added.input.append(f"^{given}")
    found = GraphFunction(graph, [given], ports)([tf.zeros((1, 4))])
    assert found[0].numpy().tolist() == [[1.0] * 4]


def test_tensors_of_other_shapes_and_types_are_run_as_well():
    graph, given, ports = graph_of(lambda x: tf.reduce_sum(x, axis=0), FLOATS)
    function = GraphFunction(graph, given, ports)
    for rows in (1, 3, 1):
        assert function([tf.ones((rows, 4))])[0].numpy().tolist() == [rows] * 4


def test_an_error_of_the_graph_is_one_of_tensorflow():
    graph, given, ports = graph_of(lambda x: tf.reshape(x, (3, -1)), FLOATS)
    with pytest.raises(tf.errors.InvalidArgumentError):
        GraphFunction(graph, given, ports)([tf.ones((1, 4))])


def test_an_operation_that_is_not_there_is_named():
    graph, given, ports = graph_of(tf.nn.relu, FLOATS)
    graph.node[-1].op = "NoSuchOperation"
    with pytest.raises(ValueError, match="no operation NoSuchOperation, which Relu is"):
        GraphFunction(graph, given, ports)([tf.ones((1, 4))])


def test_nothing_is_left_of_it():
    def known():
        return {
            name for name in context.context().list_function_names() if "graph_function" in name
        }

    before = known()
    graph, given, ports = graph_of(lambda x: x + 1.0, FLOATS)
    function = GraphFunction(graph, given, ports)
    for rows in (1, 2):
        function([tf.ones((rows, 4))])
    assert len(known() - before) == 2
    del function
    gc.collect()
    assert known() <= before
