"""Layers of Keras' graphs: which a model runs, and their names."""

import weakref

import keras
import pytest
import tensorflow as tf
from keras import layers

from export.skeleton.keras_graph import (
    all_layers,
    functional,
    graphs,
    input_rank,
    kind,
    layer_names,
    run_graph,
    scope,
    source,
    takes_training,
    unique,
)

IMAGE = (8, 8, 3)


def stack(name: str, *inner):
    """A functional model that calls `inner` one after the other."""
    x = entry = keras.Input(IMAGE)
    for layer in inner:
        x = layer(x)
    return keras.Model(entry, x, name=name)


class Conv2D(layers.Layer):
    """A user's own layer, called like one of Keras."""

    def call(self, x):
        return x


def test_only_layers_of_keras_have_a_kind():
    assert kind(layers.Conv2D(4, 1)) == "Conv2D"
    assert kind(Conv2D()) == ""
    assert kind(source(keras.ops.reshape(keras.Input(IMAGE), (-1, 192)))) == ""


def test_a_sequential_runs_a_functional_model_and_a_subclass_has_none():
    class Own(keras.Model):
        def call(self, x):
            return x

    model = stack("model", layers.Flatten())
    assert functional(model) is model
    assert functional(keras.Sequential([keras.Input(IMAGE), layers.Flatten()])) is not None
    assert functional(Own()) is None


def test_nested_models_are_found_by_their_paths():
    inner = stack("inner", layers.Conv2D(3, 1))
    model = stack("model", stack("outer", inner), layers.Flatten())
    assert [path for path, _ in graphs(model)] == ["", "outer", "outer/inner"]


def test_layers_of_one_name_are_called_by_the_paths_of_their_models():
    models = [stack(name, layers.Conv2D(3, 1, name="conv")) for name in ("first", "second")]
    names = layer_names(stack("model", *models, layers.Flatten(name="flatten")))
    own = {name for operation, name in names.items() if kind(operation) != "InputLayer"}
    assert own == {"first/conv", "second/conv", "flatten"}


def test_a_name_that_is_taken_gets_a_number():
    assert unique("conv", {"conv", "conv_1"}) == "conv_2"
    assert unique("conv", ()) == "conv"
    assert unique("größe", {"gr__e"}, scope) == "größe_1"


def test_a_layer_tells_its_rank_and_whether_it_takes_training():
    convolve, drop = layers.Conv2D(4, 1), layers.Dropout(0.5)
    model = stack("model", convolve, drop)
    assert input_rank(convolve) == 4
    assert takes_training(drop) and not takes_training(convolve)
    assert {convolve, drop} <= set(all_layers(model))


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ("conv1_1", "conv1_1"),
        ("image", "image_layer"),
        ("logits", "logits_layer"),
        ("_hidden", "layer_hidden"),
        ("größe 3", "gr__e_3"),
    ],
)
def test_a_layer_s_name_becomes_a_scope_that_tensorflow_takes(layer, wanted):
    assert scope(layer) == wanted
    with tf.Graph().as_default(), tf.name_scope(scope(layer)):
        assert tf.constant(1).op.name == f"{wanted}/Const"


def branched():
    """A model whose shortcut is read late, which runs a layer twice and gives its input, too."""
    x = inputs = keras.Input((6,))
    twice = layers.Dense(6, name="twice")
    short = x = twice(x)
    for number in range(3):
        x = layers.Dense(6, name=f"row_{number}")(x)
    x = layers.Add(name="add")([short, x])
    return keras.Model(inputs, {"last": twice(x), "same": inputs, "add": x})


def test_a_model_run_an_operation_at_a_time_gives_what_it_gives():
    model, values = branched(), tf.random.stateless_normal((2, 6), (1, 2))
    wanted, made = model(values), run_graph(model, [values], lambda operation: operation)
    assert wanted.keys() == made.keys()
    assert all(bool(tf.reduce_all(wanted[name] == made[name])) for name in wanted)


def test_what_an_operation_gives_is_let_go_after_its_last_use():
    model, given, alive = branched(), {}, {}

    def run(operation):
        def call(*args):
            made = operation(*args)
            alive[operation.name] = [name for name, one in given.items() if one() is not None]
            given[operation.name] = weakref.ref(made)
            return made

        return call

    run_graph(model, [tf.ones((2, 6))], run)
    assert alive["row_2"] == ["twice", "row_1"], "the shortcut is still to be read"
    assert alive["add"] == ["twice", "row_2"]
