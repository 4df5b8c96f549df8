"""The script that runs the TF-TRT pass, asked as the exporter asks it."""

import numpy as np
import pytest

from export.lanes import ask_in_lane

JOB = {
    "outputs": ["image:0", "logits:0"],
    "precision": "FP16",
    "minimum_segment_size": 3,
    "maximum_cached_engines": 3,
    "explicit_batch": False,
}


@pytest.fixture(scope="module")
def graph():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")])
    def network(image):
        pooled = tf.nn.max_pool2d(
            tf.nn.conv2d(image, tf.ones((3, 3, 3, 4)), 1, "SAME"), 2, 2, "SAME"
        )
        return tf.identity(tf.nn.relu(pooled), name="logits")

    made = network.get_concrete_function().graph.as_graph_def()
    for node in made.node:
        node.attr.pop("_user_specified_name", None)
    return made


def converted(graph, tmp_path, **job):
    given = {"graph": np.frombuffer(graph.SerializeToString(), np.uint8)}
    return ask_in_lane("tf217", "convert.py", JOB | job, given, tmp_path)


def test_the_pass_makes_an_engine_of_a_network(graph, tmp_path):
    answer, made = converted(graph, tmp_path)
    assert answer["error"] == ""
    found = type(graph).FromString(made["converted"].tobytes())
    assert [node.op for node in found.node].count("TRTEngineOp") == 1


@pytest.mark.parametrize(
    ("explicit", "profile"), [(False, b""), (True, b"ImplicitBatchModeCompatible")]
)
def test_the_batch_is_implicit_or_explicit_with_a_profile(graph, tmp_path, explicit, profile):
    _, made = converted(graph, tmp_path, explicit_batch=explicit)
    found = type(graph).FromString(made["converted"].tobytes())
    (engine,) = (node for node in found.node if node.op == "TRTEngineOp")
    assert engine.attr["_use_implicit_batch"].b is not explicit
    assert engine.attr["profile_strategy"].s == profile


def test_an_operation_that_the_lane_lacks_is_an_error_and_no_graph_without_engines(graph, tmp_path):
    strange = type(graph)()
    strange.CopyFrom(graph)
    pool = next(node for node in strange.node if node.op == "MaxPool")
    pool.op = "PoolOfTomorrow"
    answer, made = converted(strange, tmp_path)
    assert answer["error"].startswith("ValueError: TensorFlow 2.17 has no operation PoolOfTomorrow")
    assert not made


def test_an_error_of_the_pass_is_told_and_does_not_end_the_process(graph, tmp_path):
    strange = type(graph)()
    strange.CopyFrom(graph)
    for node in strange.node:
        node.attr["transpose_a"].SetInParent()  # of no type
    answer, made = converted(strange, tmp_path)
    assert answer["error"].startswith("InvalidArgumentError: Failed to bind all placeholders")
    assert not made
