"""Facts of weights, apart from the model that they are in."""

import numpy as np
import pytest
from keras import Input, Model, layers

from export.observe.weights import canonical_sha256, float16_loss
from keras_nets.weights.seeded import seed_weights


def dense_model():
    image = Input((4, 4, 3), name="image")
    return Model(image, layers.Dense(5, name="logits")(layers.Flatten(name="flatten")(image)))


def test_weights_that_float16_rounds_are_counted():
    tiny, small, normal = 2.0**-26, 2.0**-20, 2.0**-10
    kernel = np.zeros((48, 5), np.float32)
    kernel[0], kernel[1], kernel[2], kernel[3] = tiny, small, normal, -7e4
    loss = float16_loss("kernel", kernel)
    assert loss.zero == pytest.approx(1 / 48)
    assert loss.subnormal == pytest.approx(2 / 48)
    assert loss.largest == pytest.approx(7e4)
    assert loss.values == 48 * 5


def test_the_canonical_hash_tells_values_names_and_order():
    first = canonical_sha256(seed_weights(dense_model(), 1))
    assert first == canonical_sha256(seed_weights(dense_model(), 1))
    assert first != canonical_sha256(seed_weights(dense_model(), 2))
