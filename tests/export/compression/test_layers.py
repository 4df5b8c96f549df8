"""Which layers are compressed, and why others are left alone."""

import keras
import pytest

from export.compression.layers import choose_layers
from export.compression.method import Method
from export.compression.twin import describe


@pytest.fixture
def choose(toy):
    """A function (toy, what is asked) -> what is chosen."""
    return lambda name, **asked: choose_layers(describe(toy(name)), Method(**asked))


def names(kernels):
    return [one.layer for one in kernels]


def test_the_first_and_the_last_layer_are_left_alone_and_it_is_said(choose):
    chosen = choose("plain", prune=0.5)
    assert names(chosen.prune) == ["conv2", "conv3", "fc4"]
    assert chosen.left == {
        "conv1": "it is the first layer",
        "logits_layer": "it is the last layer",
    }
    assert names(chosen.cluster) == []


def test_they_are_compressed_where_that_is_asked(choose):
    everything = ["conv1", "conv2", "conv3", "fc4", "logits_layer"]
    assert names(choose("plain", prune=0.5, ends=True).prune) == everything
    assert names(choose("plain", prune=0.5, only=("conv1", "LOGITS")).prune) == [
        "conv1",
        "logits_layer",
    ]


def test_skipped_layers_are_left_alone(choose):
    chosen = choose("plain", cluster=4, skip=("fc4",))
    assert names(chosen.cluster) == ["conv2", "conv3"]
    assert chosen.left["fc4"] == "--skip names it"


def test_layers_whose_channels_make_no_fours_are_listed(choose):
    chosen = choose("odd", prune="2:4", cluster=16, ends=True)
    assert names(chosen.prune) == ["logits_layer"]
    assert names(chosen.cluster) == ["conv1", "separable2", "conv3", "logits_layer"]
    assert chosen.left == {
        "conv1": "not pruned, its 3 input channels do not come in fours",
        "separable2": "not pruned, a SeparableConv2D has no pattern 2:4",
        "conv3": "not pruned, its 13 input channels do not come in fours",
    }


def test_a_kernel_with_fewer_values_than_clusters_is_listed(choose):
    chosen = choose("odd", cluster=50, ends=True)
    assert "logits_layer" not in names(chosen.cluster)
    assert chosen.left["logits_layer"] == "not clustered, it has no more than 40 values"


def test_a_layer_that_is_none_is_refused_with_one_that_was_meant(choose):
    with pytest.raises(
        ValueError, match="no layer that could be compressed is called 'conv22'; did"
    ):
        choose("plain", prune=0.5, skip=("conv22",))


def test_where_nothing_is_left_it_says_why(choose):
    line = "no layer is left to compress: conv1: it is the first layer; .*--first-and-last"
    with pytest.raises(ValueError, match=line):
        choose("nested", prune=0.5)


def test_a_network_without_kernels_is_refused_in_a_line():
    image = keras.Input((8, 8, 3))
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(image)
    model = keras.Model(image, keras.layers.Flatten()(x), name="none")
    line = "^no layer is left to compress: the network has no kernel that could be$"
    with pytest.raises(ValueError, match=line):
        choose_layers(describe(model), Method(prune=0.5))
