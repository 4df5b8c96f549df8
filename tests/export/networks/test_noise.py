"""The noise of a network, and the bounds that come of it."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from threading import Event
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.formats import FORMATS
from export.networks import moving
from export.networks import noise as noise_module
from export.networks.beside import NOTHING, Beside
from export.networks.layers import layer_scopes
from export.networks.noise import (
    AT_ONCE,
    SHUFFLES,
    _orders,
    layers_moved,
    measure_noise,
    skeleton_network,
)
from export.observe.layers import run_model
from export.observe.model import observe_model, with_noise
from export.observe.noise import NoiseError
from export.observe.probes import probes
from export.skeleton.fold import norms
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

ROOT = Path(__file__).parents[3]


def noise_of(model, skeleton, **options):
    return measure_noise(skeleton, {"image": probes(skeleton.image)}, **options)


@pytest.fixture(scope="module")
def plain(toy, skeleton):
    layers = [layer.name for layer in toy("plain").layers]
    return noise_of(toy("plain"), skeleton("plain"), layers=layers, norms=norms(toy("plain")))


def test_fewer_bits_are_more_noise(plain):
    assert 1e-8 < plain.fp32 < 1e-5 < plain.fp16 < 1e-2 < plain.int8 < 1


def test_only_the_kinds_that_are_asked_for_are_measured(toy, skeleton, plain):
    one = noise_of(toy("plain"), skeleton("plain"), kinds=["fp16"])
    assert one.fp16 == pytest.approx(plain.fp16, rel=0.05)
    assert math.isnan(one.fp32) and math.isnan(one.int8)


def test_a_format_asks_for_the_noise_that_its_rules_compare_with(toy, skeleton):
    images = probes((32, 32, 3))
    seen = observe_model(toy("plain"), skeleton("plain"), {"image": images}, [FORMATS["onnx"]])
    assert seen.noise.fp32 > 0 and math.isnan(seen.noise.fp16) and math.isnan(seen.noise.int8)
    seen = observe_model(
        toy("plain"), skeleton("plain"), {"image": images}, [FORMATS["tftrt-fp16"]]
    )
    assert seen.noise.fp32 > 0 and seen.noise.fp16 > 0 and math.isnan(seen.noise.int8)


@pytest.mark.parametrize("name", ["odd", "shared", "nested", "subclassed"])
def test_every_kind_of_network_has_noise(toy, skeleton, name):
    noise = noise_of(toy(name), skeleton(name))
    assert 0 < noise.fp32 < 1e-4 < noise.fp16 < noise.int8


MEASURE = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from conftest import skeleton
from export.networks import moving
from export.networks import noise as noise_module
from export.networks.noise import measure_noise
from export.observe.noise import NoiseError
from export.observe.probes import probes
traced = skeleton("plain")
noise = measure_noise(traced, {"image": probes(traced.image)})
print(json.dumps([noise.fp32, noise.fp16, noise.int8]))
"""


@pytest.mark.parametrize("one_dnn", ["0", "1"])
def test_noise_is_the_same_from_python_and_from_the_command_line(plain, one_dnn):
    """The command line switches oneDNN off, which merges convolutions with what follows them."""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": one_dnn, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", MEASURE, str(ROOT), str(ROOT / "tests")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    fp32, fp16, int8 = json.loads(answer.stdout)
    assert plain.fp32 / 3 < fp32 < plain.fp32 * 3
    assert (fp16, int8) == pytest.approx((plain.fp16, plain.int8), rel=0.05)


def test_a_network_that_does_not_run_when_it_is_changed_has_no_noise(toy, skeleton, monkeypatch):
    def refuse(*_):
        raise tf.errors.InvalidArgumentError(None, None, "no such kernel\nand more")

    monkeypatch.setattr(noise_module, "halved", refuse)
    with pytest.raises(NoiseError, match="^InvalidArgumentError: no such kernel$"):
        noise_of(toy("plain"), skeleton("plain"))
    seen = observe_model(toy("plain"), skeleton("plain"), {"image": probes((32, 32, 3))})
    assert seen.noise is None
    (warning,) = seen.warnings
    assert warning.endswith("bounds are fixed: InvalidArgumentError: no such kernel")


def test_a_fault_of_our_own_is_not_taken_for_a_network_without_noise(toy, skeleton, monkeypatch):
    monkeypatch.setattr(noise_module, "halved", lambda network, _: network.no_such_name)
    with pytest.raises(AttributeError):
        observe_model(toy("plain"), skeleton("plain"), {"image": probes((32, 32, 3))})


@pytest.mark.parametrize("groups", [1, 2])
def test_grouped_convolutions_have_noise_too(groups):
    """Channels that a kernel adds up are shuffled within their group."""
    noise = noise_with(layers.Conv2D(8, 3, groups=groups, activation="swish", name="grouped"))
    assert 0 < noise.fp32 < 1e-4 < noise.fp16 < 0.1
    assert [layer.name for layer in noise.layers] == ["first", "grouped", "pool", "logits"]
    assert noise.fp16 < noise.int8 < 0.5


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2DTranspose(8, 3, name="turned"),
        layers.MultiHeadAttention(2, 4, attention_axes=(1, 2), name="attention"),
    ],
)
def test_what_is_not_simulated_in_8_bits_is_not_called_exact(layer):
    noise = noise_with(layer)
    assert math.isnan(noise.int8)
    assert 0 < noise.fp16 < 0.1


def noise_with(layer):
    """The noise of a small network that has `layer` in its middle."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = layer(x, x) if isinstance(layer, layers.MultiHeadAttention) else layer(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(5, name="logits")(x), name="small")
    names = ["first", layer.name, "pool", "logits"]
    return measure_noise(trace(model), {"image": probes((16, 16, 3))}, names)


def test_layers_are_told_apart_in_running_order(plain):
    names = [layer.name for layer in plain.layers]
    assert names[-1] == "logits"
    assert names.index("conv3") < names.index("pool3") < names.index("fc4")
    assert "conv1" not in names, "norm1 folds into it, so its own output is gone"
    assert "norm1" in names
    last = plain.layers[-1]
    assert (last.fp32, last.fp16, last.int8) == (plain.fp32, plain.fp16, plain.int8)


def test_shuffled_sums_are_the_same_sums(toy, skeleton):
    """In float32 only rounding moves: the same network in exact numbers has no such noise."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = layers.Flatten(name="flatten")(x)
    model = keras.Model(inputs, layers.Dense(5, name="logits")(x), name="exact")
    random = np.random.default_rng(0)
    model.set_weights([random.integers(-3, 4, w.shape) for w in model.get_weights()])
    images = random.integers(-3, 4, (2, 8, 8, 3)).astype(np.float32)
    noise = measure_noise(trace(model), {"image": images})
    assert noise.fp32 == 0
    assert noise.fp16 < 1e-3, "sums of small whole numbers are nearly exact in float16"
    assert noise.int8 > 0


@pytest.mark.parametrize("folded", [True, False])
def test_what_the_model_gave_to_the_bit_is_not_run_again(folded):
    """A network differs from its model before anything moves where batch-norms are folded."""
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, name="conv")(image)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x) if folded else x)
    x = layers.Dense(5, name="logits")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = seed_weights(keras.Model(image, x, name="small"))
    traced, images = trace(model), {"image": probes((16, 16, 3))}
    outputs, _ = run_model(model, traced.contract, images)
    run, alone = (
        measure_noise(traced, images, kinds=["fp32"], outputs=given) for given in (outputs, None)
    )
    assert run.fp32 == alone.fp32
    assert len(alone.traced["logits"]) == len(images["image"])
    assert len(run.traced["logits"]) == (len(images["image"]) if folded else AT_ONCE)


def test_every_input_is_moved_in_one_order_of_sums(skeleton, monkeypatch):
    traced, images, orders = skeleton("plain"), {"image": probes((32, 32, 3))}, {}

    class Noting(Beside):
        def run(self, batches, tensors, fed=NOTHING):
            order = tuple(fed["conv3/Conv2D/order1"].numpy())
            for batch in batches:
                orders.setdefault(batch["image"].tobytes(), set()).add(order)
            return super().run(batches, tensors, fed)

    monkeypatch.setattr(moving, "Beside", Noting)
    measure_noise(traced, images, kinds=["fp32"])
    assert len(orders) == len(images["image"]) // AT_ONCE
    assert all(len(found) == 1 for found in orders.values())
    assert len(set.union(*orders.values())) == SHUFFLES


def test_a_single_image_is_moved_in_every_order(skeleton, monkeypatch):
    images = {"image": probes((32, 32, 3))[:1]}
    both = measure_noise(skeleton("plain"), images, kinds=["fp32"])
    monkeypatch.setattr(noise_module, "SHUFFLES", 1)
    one = measure_noise(skeleton("plain"), images, kinds=["fp32"])
    monkeypatch.setattr(noise_module, "_orders", lambda channels, _: _orders(channels, 1))
    other = measure_noise(skeleton("plain"), images, kinds=["fp32"])
    assert both.fp32 == max(one.fp32, other.fp32)
    assert one.fp32 != other.fp32


def test_formats_of_fewer_bits_have_the_traced_network_compared_on_every_input():
    image = keras.Input((16, 16, 3), name="image")
    model = seed_weights(
        keras.Model(image, layers.Dense(5, name="logits")(layers.Flatten()(image)))
    )
    traced, images = trace(model), {"image": probes((16, 16, 3))}
    outputs, _ = run_model(model, traced.contract, images)
    for kinds, compared in ((["fp32"], AT_ONCE), (["fp32", "fp16"], len(images["image"]))):
        noise = measure_noise(traced, images, kinds=kinds, outputs=outputs)
        assert len(noise.traced["logits"]) == compared


def test_measuring_ends_between_two_runs_when_it_is_stopped(toy, skeleton):
    stop = Event()
    stop.set()
    given = {"image": probes((32, 32, 3))}
    seen = observe_model(toy("plain"), skeleton("plain"), given, noise=False)
    stopped = with_noise(seen, skeleton("plain"), [FORMATS["onnx"]], stop=stop)
    assert stopped.noise is None
    assert stopped.warnings[0].endswith("it was stopped")
    assert moving.STOP.get() is None, "the next one is measured"


def test_layers_move_too_when_sums_are_made_in_another_order(toy, skeleton, plain):
    network, names = skeleton_network(skeleton("plain")), [one.name for one in plain.layers]
    scopes = layer_scopes([layer.name for layer in toy("plain").layers], norms(toy("plain")))
    moved = layers_moved(network, scopes, {"image": probes((32, 32, 3))[:AT_ONCE]})
    assert list(moved) == names
    assert 0 == moved["pad1"] < moved["norm1"] < 1e-5
    assert plain.fp32 / 3 < moved["logits"] < plain.fp32 * 3
    others = [one.fp32 for one in plain.layers if one.name != "logits"]
    assert all(map(math.isnan, others)), "few exports need them"


def test_noise_is_the_same_whatever_else_is_measured(toy, skeleton, plain):
    assert noise_of(toy("plain"), skeleton("plain"), kinds=["fp32"]).fp32 == plain.fp32


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            tf.errors.InvalidArgumentError(None, None, "none such\nand more"),
            "InvalidArg.*: none such",
        ),
        (ValueError("TensorFlow has no operation Such"), "ValueError: TensorFlow has no op.* Such"),
    ],
)
def test_layers_that_do_not_run_have_no_noise(skeleton, monkeypatch, error, line):
    monkeypatch.setattr(noise_module, "_shuffled", Mock(side_effect=error))
    with pytest.raises(NoiseError, match=f"^{line}$"):
        layers_moved(skeleton_network(skeleton("plain")), {}, {"image": probes((32, 32, 3))[:1]})


def test_an_activation_beyond_float16_is_infinite_noise():
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Dense(4, name="large")(layers.Flatten(name="flatten")(inputs))
    model = keras.Model(inputs, layers.Dense(5, name="logits")(x), name="large")
    model.set_weights([np.full(w.shape, 3e3) for w in model.get_weights()])
    noise = measure_noise(trace(model), {"image": probes((8, 8, 3))}, ["large", "logits"])
    assert math.isinf(noise.fp16)
    assert math.isfinite(noise.fp32)


def test_an_operation_on_two_weights_is_rounded_too():
    """LoRA multiplies two weights, and float8 divides one by another."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Dense(6, name="wide")(layers.Flatten()(inputs))
    model = seed_weights(keras.Model(inputs, layers.Dense(4)(x)))
    model.get_layer("wide").enable_lora(2)
    assert noise_of(seed_weights(model), trace(model), kinds=["fp16"]).fp16 > 1e-5
