"""How far a twin may be off: a multiple of the network's own noise."""

import numpy as np
import pytest

from export.compression.likeness import COUNT, Likeness
from export.contract import rows


@pytest.fixture(scope="module")
def likeness(toy):
    return Likeness.of(toy("plain"), 0)


def test_the_bound_comes_from_noise_that_was_measured(likeness):
    assert 0 < likeness.noise.fp32 < 1e-5
    assert likeness.allowed("logits") == pytest.approx(max(8 * likeness.noise.fp32, 2e-5))
    assert rows(likeness.probes) == COUNT


def test_without_noise_the_bound_is_fixed(likeness):
    from dataclasses import replace

    assert replace(likeness, noise=None).allowed("logits") == 1e-4


def test_what_is_off_by_more_is_said_in_standard_deviations(likeness, toy):
    wanted = likeness.outputs(toy("plain"))["logits"]
    assert likeness.difference({"logits": wanted}, {"logits": wanted}) == ""
    off = wanted + np.float32(1e-3) * wanted.std()
    said = likeness.difference({"logits": off}, {"logits": wanted})
    assert said.startswith("other logits: they are off by 1.0e-03 standard deviations, and 2.0e-05")
    lost = np.full_like(wanted, np.nan)
    assert "off by nan" in likeness.difference({"logits": lost}, {"logits": wanted})
