"""Models that Keras 2 wrote: a real one of tf_keras 2.21, and words of older ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_nets import sources
from keras_nets.errors import SourceError
from keras_nets.sources.keras2 import translate

GOLDEN = Path(__file__).parents[2] / "golden" / "sources"


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_a_model_of_keras_2_gives_what_it_gave_there(ending):
    golden = np.load(GOLDEN / "keras2.npz")
    loaded = sources.load(str(GOLDEN / f"keras2.{ending}"))
    assert isinstance(loaded.model.input_shape, tuple)  # one input, and no list of it
    np.testing.assert_allclose(
        np.asarray(loaded.model(golden["images"])), golden["outputs"], rtol=0, atol=1e-5
    )


def layer(kind: str, **words) -> dict:
    return {"class_name": kind, "config": {"name": "x", **words}}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            layer("DepthwiseConv2D", groups=1, strides=[1, 1]),
            layer("DepthwiseConv2D", strides=[1, 1]),
        ),
        # Keras 2 takes these groups and computes without them.
        (layer("DepthwiseConv2D", groups=2), layer("DepthwiseConv2D")),
        (layer("SeparableConv2D", groups=2), layer("SeparableConv2D")),
        (layer("Conv2DTranspose", groups=2), layer("Conv2DTranspose")),
        (layer("Conv2D", groups=2), layer("Conv2D", groups=2)),
        (layer("LSTM", time_major=False, units=4), layer("LSTM", units=4)),
        (layer("RandomFlip", rng_type="stateful"), layer("RandomFlip")),
        (layer("RandomHeight", factor=0.1), layer("Identity")),
        (layer("ThresholdedReLU", theta=0.3), layer("ReLU", threshold=0.3)),
        (layer("BatchNormalization", axis=[3]), layer("BatchNormalization", axis=3)),
        (layer("BatchNormalization", axis=-1, renorm=False), layer("BatchNormalization", axis=-1)),
        (layer("Dense", dtype=layer("Policy", name="float32")), layer("Dense", dtype="x")),
        (layer("Rescaling", batch_input_shape=[None, 4]), layer("Rescaling")),
        (
            layer("InputLayer", batch_input_shape=[None, 4]),
            layer("InputLayer", batch_input_shape=[None, 4]),
        ),
        (
            {"module": "tf_keras.src.engine.functional", **layer("Functional")},
            {
                "module": "keras.src.models.functional",
                "registered_name": "Functional",
                **layer("Functional"),
            },
        ),
        (
            {"module": "tf_keras.layers", **layer("Dense")},
            {"module": "keras.layers", "registered_name": None, **layer("Dense")},
        ),
        ({"module": "mine", **layer("Own")}, {"module": "mine", **layer("Own")}),
    ],
)
def test_words_of_keras_2_become_those_of_keras_3(older, newer):
    if older["config"].get("dtype"):
        older["config"]["dtype"]["config"]["name"] = "x"
    assert translate(older) == newer


@pytest.mark.parametrize("older", [[layer("Dense")], {"layers": [layer("Dense")]}])
def test_the_input_of_a_sequential_model_becomes_a_layer(older):
    layers = older if isinstance(older, list) else older["layers"]
    layers[0]["config"]["batch_input_shape"] = [None, 4]
    found = translate({"class_name": "Sequential", "config": older})["config"]["layers"]
    assert [one["class_name"] for one in found] == ["InputLayer", "Dense"]
    assert found[0]["config"] == {"batch_shape": [None, 4], "name": "x_input"}
    assert "batch_input_shape" not in found[1]["config"]


@pytest.mark.parametrize(
    ("older", "line"),
    [
        (layer("SpatialDropout1D", noise_shape=[1]), "with noise_shape=[1], which Keras 3 lacks"),
        (layer("LSTM", time_major=True), "LSTM with time_major=True, which Keras 3 lacks"),
        (layer("BatchNormalization", renorm=True), "with renorm=True, which Keras 3 lacks"),
        (layer("TFOpLambda"), "an operation of TensorFlow that Keras 2 wrote as TFOpLambda"),
    ],
)
def test_what_keras_3_lacks_is_refused_by_the_name_of_its_layer(older, line):
    with pytest.raises(SourceError) as caught:
        translate({"class_name": "Sequential", "config": {"layers": [older]}})
    assert line in str(caught.value) and "the layer 'x'" in str(caught.value)


HARD = {"class_name": "function", "module": "builtins", "config": "hard_sigmoid"}


@pytest.mark.parametrize("name", ["hard_sigmoid", {**HARD, "registered_name": "hard_sigmoid"}])
@pytest.mark.parametrize(
    ("kind", "word"), [("Conv2D", "activation"), ("LSTMCell", "recurrent_activation")]
)
def test_hard_sigmoid_stays_that_of_keras_2(kind, word, name):
    import keras

    found = translate(layer(kind, **{word: name}))["config"][word]
    np.testing.assert_allclose(
        keras.activations.get(found)(np.float32([-9, -1, 0, 2, 9])), [0, 0.3, 0.5, 0.9, 1]
    )


def test_hard_sigmoid_of_a_layer_of_the_users_own_is_left_to_it():
    own = layer("MyLayer", activation="hard_sigmoid")
    assert translate(own) == own


def written_by_keras_2(path: Path, layers: list[dict]) -> Path:
    """An .h5 file as Keras 2.3 wrote it, of a Sequential model without weights."""
    import h5py

    config = {"class_name": "Sequential", "config": {"name": "older", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version="2.3.1", backend="tensorflow")
        file.attrs["model_config"] = json.dumps(config)
        weights = file.create_group("model_weights")
        weights.attrs.update(layer_names=np.array([], "S1"), keras_version="2.3.1")
    return path


@pytest.mark.parametrize(
    ("older", "right"),
    [
        (layer("Activation", activation="hard_sigmoid"), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        (layer("ThresholdedReLU", theta=0.3), lambda x: np.where(x > 0.3, x, 0)),
        (
            layer("Softmax", axis=[1, 2]),
            lambda x: np.exp(x) / np.exp(x).sum(axis=(1, 2), keepdims=True),
        ),
        (
            layer("LayerNormalization", axis=[1, 2], center=False, scale=False, epsilon=0.0),
            lambda x: (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True),
        ),
    ],
)
def test_a_layer_of_an_h5_file_of_keras_2_computes_what_it_did_there(tmp_path, older, right):
    older["config"]["batch_input_shape"] = [None, 4, 3, 2]
    path = written_by_keras_2(tmp_path / "older.h5", [older])
    x = np.random.default_rng(0).normal(0, 2, (5, 4, 3, 2)).astype(np.float32)
    found = np.asarray(sources.load(str(path)).model(x))
    np.testing.assert_allclose(found, right(x), rtol=1e-4, atol=1e-5)


def test_a_layer_that_keras_3_lacks_is_named_in_one_line(tmp_path):
    older = layer("LocallyConnected1D", filters=2, batch_input_shape=[None, 4, 3])
    path = written_by_keras_2(tmp_path / "older.h5", [older])
    with pytest.raises(SourceError, match="needs 'LocallyConnected1D', which Keras does not have"):
        sources.load(str(path))


def test_the_bytecode_of_a_lambda_stays_found():
    from keras_nets.sources.saved_config import code_in

    older = layer("Lambda", function=["4wEA", None, None], function_type="lambda", module="m")
    assert code_in(older) == code_in(translate(older)) == ["the Lambda layer 'x'"]


def graph(layers: list[dict], output: str = "x") -> dict:
    """A functional model as Keras 2 writes it, of one input called `in` and these layers."""
    first = {"class_name": "InputLayer", "config": {"name": "in"}}
    first["config"]["batch_input_shape"] = [None, 4, 3]
    layers = [{"inbound_nodes": [], **first}, *layers]
    for one in layers:
        one["name"] = one["config"]["name"]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": layers, **ends}}


def model_of(layers: list[dict], output: str = "x"):
    import keras

    import keras_nets.sources.keras2_operations  # noqa: F401 (registers the layer)

    config = translate(graph(layers, output))
    return keras.Model.from_config(config["config"])


def operation(function: str, call, name: str = "x", kind: str = "TFOpLambda") -> dict:
    return {**layer(kind, name=name, function=function), "inbound_nodes": [call]}


X = np.linspace(-2, 2, 24, dtype=np.float32).reshape(2, 4, 3)


@pytest.mark.parametrize(
    ("function", "call", "right"),
    [
        ("__operators__.add", ["in", 0, 0, {"y": 3.0, "name": None}], X + 3),
        ("math.multiply", ["in", 0, 0, {"y": ["in", 0, 0], "name": None}], X * X),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["in", 0, 0]}], 2 - X),
        ("nn.relu6", ["in", 0, 0, {}], np.clip(X, 0, 6)),
        ("math.reduce_mean", ["in", 0, 0, {"axis": [1], "keepdims": True}], X.mean(1)[:, None]),
        (
            "concat",
            [["in", 0, 0, {"axis": -1}], ["in", 0, 0, {"axis": -1}]],
            np.concatenate([X, X], -1),
        ),
        ("cast", ["in", 0, 0, {"dtype": "int32"}], X.astype(np.int32)),
    ],
)
def test_an_operation_of_tensorflow_computes_what_it_did_in_keras_2(function, call, right):
    found = np.asarray(model_of([operation(function, call)])(X))
    np.testing.assert_allclose(found, right, rtol=1e-6)


def test_a_slice_computes_what_it_did_in_keras_2():
    every = {"start": None, "stop": None, "step": None}
    call = ["in", 0, 0, {"slice_spec": [every, {"start": 1, "stop": None, "step": 2}, -1]}]
    model = model_of([operation("__operators__.getitem", call, kind="SlicingOpLambda")])
    np.testing.assert_array_equal(np.asarray(model(X)), X[:, 1::2, -1])


@pytest.mark.parametrize("function", ["io.read_file", "raw_ops.WriteFile", "numpy_function", ""])
def test_a_function_that_is_not_known_to_only_compute_is_refused(function):
    from keras_nets.sources.keras2_operations import TensorFlowOperation

    with pytest.raises(SourceError, match="the layer 'x' is tf"):
        translate(graph([operation(function, ["in", 0, 0, {}])]))
    with pytest.raises(ValueError, match="is no function that only computes"):
        TensorFlowOperation(function, 0, {})


def test_every_operation_that_is_known_is_one_of_tensorflow():
    import tensorflow as tf

    from keras_nets.sources.keras2_operations import KNOWN

    for name in KNOWN:
        found = tf
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found), name


def test_states_given_among_the_inputs_stay_states():
    states = {**layer("LSTM", units=2, name="first", return_state=True)}
    states["inbound_nodes"] = [[["in", 0, 0, {}]]]
    second = {**layer("LSTM", units=2)}
    second["inbound_nodes"] = [[["in", 0, 0, {}], ["first", 0, 1, {}], ["first", 0, 2, {}]]]
    model = model_of([states, second])
    first, last = model.get_layer("first"), model.get_layer("x")
    _, *given = first(X)
    np.testing.assert_allclose(model(X), last(X, initial_state=given), rtol=1e-6)


def test_a_slash_in_the_name_of_a_layer_becomes_an_underscore():
    one = {**layer("ReLU", name="block/relu"), "inbound_nodes": [[["in", 0, 0, {}]]]}
    two = {**layer("ReLU"), "inbound_nodes": [[["block/relu", 0, 0, {}]]]}
    model = model_of([one, two])
    assert [one.name for one in model.layers] == ["in", "block_relu", "x"]
