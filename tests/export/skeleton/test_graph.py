"""Chores on GraphDefs: each on a small graph of its own."""

from unittest.mock import patch

import numpy as np
import tensorflow as tf

from export.skeleton.graph import (
    add_constant,
    all_nodes,
    copied,
    make_constant,
    make_placeholder,
    optimised,
    with_own_functions,
)


def graph_of(function):
    spec = tf.TensorSpec((None, 2), tf.float32, name="image")
    return tf.function(function, autograph=False).get_concrete_function(spec).graph.as_graph_def()


def branching(image):
    return tf.cond(tf.reduce_sum(image) > 0, lambda: image + 1, lambda: image - 1)


def test_all_nodes_are_those_of_the_graph_and_of_its_functions():
    graph = graph_of(branching)
    operations = {node.op for node in graph.node}
    assert "AddV2" not in operations
    assert {"AddV2", "Sub", *operations} <= {node.op for node in all_nodes(graph)}


def test_a_copy_changes_apart_from_what_it_was_made_of():
    graph = graph_of(branching)
    copy = copied(graph)
    assert copy == graph
    copy.node[0].name = "another"
    assert copy != graph


def test_a_node_becomes_a_placeholder_and_keeps_its_name_only():
    node = tf.compat.v1.GraphDef().node.add(op="Const", name="kernel", input=["^first"])
    make_placeholder(node, tf.float32, tf.TensorShape((3, None)))
    assert (node.name, node.op, list(node.input)) == ("kernel", "Placeholder", [])
    assert [dim.size for dim in node.attr["shape"].shape.dim] == [3, -1]


def test_a_node_becomes_a_constant_of_the_values_and_their_type():
    node = tf.compat.v1.GraphDef().node.add(op="Placeholder", name="kernel")
    node.attr["shape"].shape.dim.add(size=2)
    make_constant(node, np.float32([1, 2]))
    assert (node.name, node.op, sorted(node.attr)) == ("kernel", "Const", ["dtype", "value"])
    assert tf.make_ndarray(node.attr["value"].tensor).tolist() == [1, 2]


def test_an_added_constant_has_the_type_that_is_asked_for():
    graph = tf.compat.v1.GraphDef()
    assert add_constant(graph, "one", 1.0, tf.float16.as_datatype_enum) == "one"
    assert tf.make_ndarray(graph.node[0].attr["value"].tensor).dtype == np.float16


def test_optimising_folds_what_is_constant_and_keeps_the_tensors_that_are_asked_for():
    graph = graph_of(lambda image: tf.identity(image * (tf.constant(2.0) + 3.0), name="logits"))
    add_constant(graph, "unread", 7.0)
    made = optimised(graph, ["constfold", "pruning"], ["logits:0"])
    constants = [tf.make_ndarray(n.attr["value"].tensor) for n in made.node if n.op == "Const"]
    assert constants == [5.0]
    assert {"image", "logits"} <= {node.name for node in made.node}


def test_grappler_is_handed_no_placeholder_whose_shape_is_known():
    """It would make up a value for each, so that all weights were in memory once more."""
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, 4), name="image")
        kernel = tf.compat.v1.placeholder(tf.float32, (4, 3), name="kernel")
        tf.identity(image @ kernel, name="logits")
    given = []

    def optimize(_config, meta_graph):
        given.extend((node.name, node.op) for node in meta_graph.graph_def.node)
        return meta_graph.graph_def

    before = graph.as_graph_def()
    with patch("tensorflow.python.grappler.tf_optimizer.OptimizeGraph", optimize):
        made = optimised(before, ["constfold"], ["logits:0"])
    assert {name for name, op in given if op == "Placeholder"} == {"image"}
    assert "kernel" in {name for name, _ in given}
    assert sorted(made.node, key=str) == sorted(before.node, key=str)


def test_functions_named_by_what_is_in_them_keep_these_names():
    named = with_own_functions(graph_of(branching))
    names = [function.signature.name for function in named.library.function]
    assert len(names) == 2
    again = with_own_functions(copied(named))
    assert [function.signature.name for function in again.library.function] == names
    assert again == named
