"""A traced network in the operations that TF-TRT takes computes the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from export.formats.tftrt.preparation import prepare
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights


class Token(layers.Layer):
    """A row of its own before those that come in, as vision transformers have it."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        row = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([row, x], 1)


def model_of(shape, *steps):
    x = inputs = keras.Input(shape, name="x")
    for step in steps:
        x = step(x)
    return seed_weights(keras.Model(inputs, x, name="model"), 5)


SIDES = [[0, 0], [1, 2], [3, 0], [0, 0]]
MODELS = {
    "one axis": lambda: model_of((9, 2), layers.Conv1D(4, 3, activation="relu")),
    "transposed": lambda: model_of((4, 4, 3), layers.Conv2DTranspose(5, 3, strides=2)),
    "transposed, same": lambda: model_of(
        (4, 4, 3), layers.Conv2DTranspose(5, 3, strides=2, padding="same")
    ),
    "groups of channels": lambda: model_of((4, 4, 6), layers.GroupNormalization(3)),
    "attention": lambda: model_of((4, 6), lambda x: layers.MultiHeadAttention(2, 3)(x, x)),
    "token": lambda: model_of((4, 6), Token()),
    "upsampling": lambda: model_of((3, 4, 2), layers.UpSampling2D((2, 3))),
    "rolled": lambda: model_of((4, 5, 3), lambda x: ops.roll(x, (1, -2), (1, 2))),
    "rolled back": lambda: model_of((4, 5, 3), lambda x: ops.roll(x, 7, -1)),
    "unstacked": lambda: model_of(
        (2, 4), lambda x: ops.subtract(*ops.unstack(ops.transpose(x, (1, 0, 2)), axis=0))
    ),
    "unstacked rows": lambda: model_of((3, 4), lambda x: ops.add(*ops.unstack(x, axis=1)[1:])),
    "gaps": lambda: model_of(
        (7, 10, 3), layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")
    ),
    "wide gaps": lambda: model_of(
        (14, 13, 2), layers.DepthwiseConv2D(3, dilation_rate=3, depth_multiplier=2)
    ),
    "reflected": lambda: model_of((4, 5, 3), lambda x: ops.pad(x, SIDES, "reflect")),
    "mirrored": lambda: model_of((4, 5, 3), lambda x: ops.pad(x, SIDES, "symmetric")),
    "causal": lambda: model_of(
        (5, 6), lambda x: layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    ),
    "free axis": lambda: model_of((None, 6), layers.Dense(4), layers.ReLU()),
}


def prepared_graph(model):
    skeleton = trace(model)
    prepared = prepare(skeleton)
    graph = prepared.filled(lambda _, form: form.of(skeleton.weights[form.index].read()))
    return skeleton, prepared, graph


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_model_computes(name):
    model = MODELS[name]()
    skeleton, _, graph = prepared_graph(model)
    (given,), (made,) = skeleton.contract.inputs, skeleton.contract.outputs
    values = np.random.default_rng(1).standard_normal((3, *(n or 5 for n in given.sizes)))
    values = values.astype(np.float32)
    wanted = np.asarray(model(values, training=False))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        got = session.run(f"{made.name}:0", {f"{given.name}:0": values})
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["one axis", "groups of channels", "attention"])
def test_no_weight_is_reshaped_in_the_graph(name):
    _, prepared, graph = prepared_graph(MODELS[name]())
    nodes = {node.name: node for node in graph.node}
    moved = [
        node.name
        for node in graph.node
        if node.op in ("Reshape", "ExpandDims", "Squeeze") and nodes[node.input[0]].op == "Const"
    ]
    assert moved == []
    assert set(prepared.forms) <= set(nodes)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("gaps", {"SpaceToBatchND", "BatchToSpaceND"}),
        ("wide gaps", {"SpaceToBatchND", "BatchToSpaceND"}),
        ("reflected", {"MirrorPad"}),
    ],
)
def test_what_no_engine_takes_is_written_in_another_way(name, gone):
    _, _, graph = prepared_graph(MODELS[name]())
    assert not gone & {node.op for node in graph.node}


@pytest.mark.parametrize("name", ["transposed", "groups of channels", "attention"])
def test_shapes_are_known_before_it_runs(name):
    _, _, graph = prepared_graph(MODELS[name]())
    assert "Shape" not in {node.op for node in graph.node}


def test_a_weight_that_is_read_in_two_shapes_has_two_forms():
    class Both(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(2, 3), name="table")

        def call(self, x):
            return x * ops.reshape(self.table, (6,)) + ops.reshape(self.table, (1, 6))

    _, prepared, _ = prepared_graph(model_of((6,), Both()))
    assert sorted((form.index, form.shape) for form in prepared.forms.values()) == [
        (0, (1, 6)),
        (0, (6,)),
    ]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float64"])
def test_large_numbers_are_cast_exactly(dtype):
    """The pass would cast them through float16."""
    numbers = keras.Input((3,), dtype=dtype, name="x")
    model = keras.Model(numbers, layers.Rescaling(2.0)(numbers))
    _, _, graph = prepared_graph(model)
    to_float = [n for n in graph.node if n.op == "Cast" and n.attr["DstT"].type == 1]
    assert to_float == []
    values = np.array([[1, 60001, 4097]], dtype)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        (name,) = (t.name for t in trace(model).contract.outputs)
        found = session.run(f"{name}:0", {"x:0": values})
    np.testing.assert_array_equal(found, 2.0 * values.astype(np.float64))


def kinds_of(graph) -> set[int]:
    """The types of all that is computed in a graph behind its inputs."""
    nodes = [node for node in graph.node if node.op not in ("Placeholder", "Cast")]
    return {value.type for node in nodes for value in node.attr.values() if value.type}


def rows(graph, ids, output):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        return session.run(f"{output}:0", {"ids:0": ids})


INT64 = tf.int64.as_datatype_enum


def test_rows_are_looked_up_by_int32():
    ids = keras.Input((3,), dtype="int64", name="ids")
    model = seed_weights(keras.Model(ids, layers.Embedding(9, 4)(ids)))
    skeleton, _, graph = prepared_graph(model)
    assert INT64 not in kinds_of(graph)
    values = np.array([[0, 8, -1], [3, 3, 2]])
    wanted = np.asarray(model(values))
    np.testing.assert_array_equal(rows(graph, values, skeleton.contract.outputs[0].name), wanted)


def test_large_whole_numbers_that_are_more_than_rows_stay_as_they_are():
    ids = keras.Input((3,), dtype="int64", name="ids")
    own = layers.Lambda(lambda x: ops.cast(x % 9, "int64"))(ids)
    model = seed_weights(keras.Model(ids, layers.Embedding(9, 4)(own)))
    skeleton, _, graph = prepared_graph(model)
    assert INT64 in kinds_of(graph)
    values = np.array([[2**40, 2**33 + 5, 7]])
    wanted = np.asarray(model(values))
    np.testing.assert_array_equal(rows(graph, values, skeleton.contract.outputs[0].name), wanted)


def test_whole_numbers_that_come_out_keep_their_type():
    ids = keras.Input((3,), dtype="int64", name="ids")
    model = keras.Model(ids, [layers.Embedding(9, 4)(ids), ids + 1])
    _, _, graph = prepared_graph(seed_weights(model))
    assert INT64 in kinds_of(graph)
