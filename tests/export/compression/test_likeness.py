"""How far a twin may be off: a multiple of the network's own noise."""

import numpy as np
import pytest

from export.compression.likeness import COUNT, Likeness
from export.contract import rows
from export.observe.noise import NoiseError


@pytest.fixture(scope="module")
def likeness(toy):
    return Likeness(toy("plain"), 0)


def test_the_bound_comes_from_noise_that_was_measured(likeness):
    assert 0 < likeness.noise.fp32 < 1e-5
    assert likeness.allowed("logits") == pytest.approx(max(8 * likeness.noise.fp32, 2e-5))
    assert rows(likeness.probes) == COUNT


def test_without_noise_the_bound_is_fixed(toy, monkeypatch):
    def fail(*asked, **options):
        raise NoiseError("it does not run")

    monkeypatch.setattr("export.networks.noise.measure_noise", fail)
    assert Likeness(toy("plain"), 0).allowed("logits") == 1e-4


def test_no_noise_is_measured_for_what_is_always_allowed(toy):
    fresh = Likeness(toy("plain"), 0)
    wanted = fresh.outputs(toy("plain"))["logits"]
    assert fresh.difference({"logits": wanted * np.float32(1 + 1e-6)}, {"logits": wanted}) == ""
    assert "noise" not in vars(fresh)


def test_probabilities_are_compared_as_the_logits_behind_them(toy):
    import keras

    x = keras.layers.Softmax(name="end")(toy("nested").output)
    made = keras.Model(toy("nested").input, x, name="likely")
    like = Likeness(made, 0)
    (wanted,) = like.outputs(made).values()
    assert like.difference({"logits": wanted}, {"logits": wanted}) == ""
    logits = np.log(wanted.astype(np.float64))
    off = logits + 1e-3 * np.eye(*logits.shape) * logits.std()
    found = (np.exp(off) / np.exp(off).sum(axis=1, keepdims=True)).astype(np.float32)
    assert like.difference({"logits": found}, {"logits": wanted}).startswith("other logits: they")


def test_what_is_off_by_more_is_said_in_standard_deviations(likeness, toy):
    wanted = likeness.outputs(toy("plain"))["logits"]
    assert likeness.difference({"logits": wanted}, {"logits": wanted}) == ""
    off = wanted + np.float32(1e-3) * wanted.std()
    said = likeness.difference({"logits": off}, {"logits": wanted})
    assert said.startswith("other logits: they are off by 1.0e-03 standard deviations, and 2.0e-05")
    lost = np.full_like(wanted, np.nan)
    assert "off by nan" in likeness.difference({"logits": lost}, {"logits": wanted})
