"""What keeping layers in 32 bits would bring, and how it is said."""

from unittest import mock

import numpy as np
import pytest

from export import Options, export_model
from export.calibration.images import of_array
from export.errors import Shortage
from export.gate import gain
from export.gate.gain import Gain, sentence
from export.observe.probes import probes
from export.process import ChildFailed


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def spoiled():
    """A network in which one channel of `wide` is so large that 8 bits lose all the others."""
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="wide")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="next")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(5, name="last")(x), name="spoiled")
    chance = np.random.default_rng(0)
    for layer in ("wide", "next", "last"):
        kernel, bias = model.get_layer(layer).get_weights()
        kernel = chance.standard_normal(kernel.shape).astype(np.float32) / 5
        model.get_layer(layer).set_weights([kernel, bias])
    kernel, bias = model.get_layer("wide").get_weights()
    bias[0] = 3000
    model.get_layer("wide").set_weights([kernel, bias])
    kernel, bias = model.get_layer("next").get_weights()
    kernel[:, :, 0] = 0  # nothing reads the large channel
    model.get_layer("next").set_weights([kernel, bias])
    return model


def test_a_failure_names_the_layers_to_keep_and_what_that_brings(here, tmp_path):
    images = probes((16, 16, 3), 3, 40)
    options = Options(calibration=of_array(images, "probes.npz"), min_agreement=1.0)
    (report,) = export_model(spoiled(), ["onnx-int8"], tmp_path, options=options)
    parity = report.check("parity")
    says = "simulated, --keep-fp32 next --keep-fp32 wide brings the error"
    assert not report.passed and says in parity.note
    before, first, *_ = parity.details["gain"]
    assert before["layers"] == [] and first["layers"] == ["next", "wide"]
    assert first["error"] < before["error"] / 3 and first["agreement"] > before["agreement"]
    kept = Options(calibration=of_array(images, "probes.npz"), keep_fp32=("next", "wide"))
    (again,) = export_model(spoiled(), ["onnx-int8"], tmp_path / "kept", options=kept)
    assert again.check("parity").measured < 4 * first["error"] < parity.measured / 3


def test_a_simulation_whose_process_dies_leaves_the_verdict_and_says_so(
    here, tmp_path, monkeypatch
):
    died, short = ChildFailed("a process was killed (signal 9)"), Shortage("no memory is left")
    measure, found = gain.measure_gain, []

    def dying(*asked):
        for error in (short, died):
            monkeypatch.setattr(gain, "ask", mock.Mock(side_effect=error))
            found.append(measure(*asked))
        return found[-1]

    monkeypatch.setattr(gain, "measure_gain", dying)
    images = of_array(probes((16, 16, 3), 3, 40), "probes.npz")
    options = Options(calibration=images, min_agreement=1.0)
    (report,) = export_model(spoiled(), ["onnx-int8"], tmp_path, options=options)
    assert found == [([], str(short)), ([], str(died))]
    parity = report.check("parity")
    assert not report.passed and parity.details["gain"] == []
    assert parity.note.endswith(f"what that brings was not simulated: {died}")


def test_as_few_layers_are_named_as_are_enough():
    gains = [Gain((), 0.5, 0.8), Gain(("a",), 0.2, 0.99), Gain(("a", "b"), 0.1, 1.0)]
    assert sentence(gains, 0.98) == (
        "simulated, --keep-fp32 a brings the error from 5.0e-01 to 2.0e-01 std and agreement from "
        "0.800 to 0.990"
    )
    assert "--keep-fp32 a --keep-fp32 b brings" in sentence(gains, 1.0)


def test_that_nothing_is_gained_is_said():
    for error in (0.6, 0.49):
        gains = [Gain((), 0.5, 0.8), Gain(("a",), error, 0.8)]
        assert sentence(gains, 0.98) == "simulated, --keep-fp32 a gains next to nothing"
