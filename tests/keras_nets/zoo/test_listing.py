"""What the zoo holds."""

import importlib

import keras
import numpy as np
import pytest

from keras_nets.zoo.listing import APPLICATIONS, ARCHITECTURES, FORMATS, find


def test_there_are_thirteen_applications_and_every_name_is_once():
    names = [one.name for one in ARCHITECTURES]
    assert len(set(names)) == len(names)
    assert sum(one.group == APPLICATIONS for one in ARCHITECTURES) == 13


def test_every_builder_is_there_and_every_format_that_refuses():
    for one in ARCHITECTURES:
        module, _, function = one.words.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), one.name
        assert one.refused.keys() <= set(FORMATS)


def test_a_settled_network_has_statistics_of_what_it_met():
    from keras_nets.zoo.settled import application

    model = application("MobileNet", 32)
    norm = next(one for one in model.layers if isinstance(one, keras.layers.BatchNormalization))
    before = keras.Model(model.input, norm.input)
    noise = np.random.default_rng(1).standard_normal((2, 32, 32, 3)).astype(np.float32)
    wanted = np.asarray(before(noise)).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(np.asarray(norm.moving_mean), wanted, atol=1e-4)
    assert norm.momentum > 0


def test_options_build_it_small_where_asked():
    (one,) = find(["InceptionV3"])
    assert one.options()[-1] == "input_shape=(299, 299, 3)"
    assert one.options(small=True)[2:] == [
        "--model-arg",
        "input_shape=(75, 75, 3)",
        "--model-arg",
        "classes=10",
    ]
    with pytest.raises(ValueError, match="the zoo has no 'dodo'; it has ResNet50, "):
        find(["dodo"])
