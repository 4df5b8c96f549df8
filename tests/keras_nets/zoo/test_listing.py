"""What the zoo holds."""

import importlib

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


def test_options_build_it_small_where_asked():
    (one,) = find(["Xception"])
    assert one.options()[-1] == "input_shape=(299, 299, 3)"
    assert one.options(small=True)[2:] == [
        "--model-arg",
        "input_shape=(71, 71, 3)",
        "--model-arg",
        "classes=10",
    ]
    with pytest.raises(ValueError, match="the zoo has no 'dodo'; it has ResNet50, "):
        find(["dodo"])
