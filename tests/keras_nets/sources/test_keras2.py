"""Models that Keras 2 wrote: a real one of tf_keras 2.21, and words of older ones."""

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
        (layer("LSTM", time_major=False, units=4), layer("LSTM", units=4)),
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
        (layer("DepthwiseConv2D", groups=2), "DepthwiseConv2D with groups=2, which Keras 3 lacks"),
        (layer("LSTM", time_major=True), "LSTM with time_major=True, which Keras 3 lacks"),
        (layer("BatchNormalization", renorm=True), "with renorm=True, which Keras 3 lacks"),
        (layer("TFOpLambda"), "an operation of TensorFlow that Keras 2 wrote as TFOpLambda"),
    ],
)
def test_what_keras_3_lacks_is_refused_by_the_name_of_its_layer(older, line):
    with pytest.raises(SourceError) as caught:
        translate({"class_name": "Sequential", "config": {"layers": [older]}})
    assert line in str(caught.value) and "the layer 'x'" in str(caught.value)


def test_the_bytecode_of_a_lambda_stays_found():
    from keras_nets.sources.saved_config import code_in

    older = layer("Lambda", function=["4wEA", None, None], function_type="lambda", module="m")
    assert code_in(older) == code_in(translate(older)) == ["the Lambda layer 'x'"]
