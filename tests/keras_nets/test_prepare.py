"""What the command lines ask for becomes a filled model, its flavour, source and counts."""

import hashlib

import keras
import numpy as np
import pytest

from keras_nets import NETS, WeightsError, save_weights
from keras_nets.prepare import prepare, seed_of

NET = NETS["squeezenet1_1"]
SMALL = (64, 64, 3)


def kernel(prepared, layer="conv1") -> np.ndarray:
    return keras.ops.convert_to_numpy(prepared.model.get_layer(layer).kernel)


def size(model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Weights of torchvision's graph for seven classes, under our own names."""
    model = prepare(NET, seed=3, classes=7, image=SMALL, flavour="torchvision").model
    path = tmp_path_factory.mktemp("weights") / "seven.npz"
    save_weights(model, path, "npz", flavour="torchvision")
    return path, kernel(prepare(NET, seed=3, classes=7, image=SMALL, flavour="torchvision"))


def test_without_a_file_weights_come_from_the_seed_and_the_source_says_so():
    first, second = prepare(NET, image=SMALL), prepare(NET, image=SMALL, seed=5)
    assert (first.source, second.source) == ("seeded:0", "seeded:5")
    assert first.file_sha256 == ""
    assert not np.any(kernel(first) == kernel(second))


def test_defaults_are_the_first_flavour_1000_classes_and_the_networks_own_image():
    prepared = prepare(NET)
    assert prepared.flavour == "paddle"
    assert prepared.model.input_shape == (None, 224, 224, 3)
    assert prepared.model.output_shape == (None, 1000)
    assert prepared.counts == NET.counts["paddle"]


@pytest.mark.parametrize(
    ("flavour", "classes", "image"),
    [("paddle", 2, (64, 80, 3)), ("torchvision", 11, (17, 224, 3)), ("paddle", 1001, None)],
)
def test_options_reach_the_graph_and_the_counts(flavour, classes, image):
    prepared = prepare(NET, flavour=flavour, classes=classes, image=image)
    assert prepared.flavour == flavour
    assert prepared.model.input_shape == (None, *(image or NET.image))
    assert prepared.model.output_shape == (None, classes)
    assert prepared.counts.trainable == size(prepared.model)


def test_counts_are_unknown_where_only_the_channels_tell():
    prepared = prepare(NET, image=(64, 64, 1))
    assert prepared.counts is None and prepared.model.input_shape == (None, 64, 64, 1)


def test_a_file_picks_the_flavour_and_the_classes(weights_file):
    path, saved = weights_file
    prepared = prepare(NET, str(path), image=SMALL)
    assert (prepared.flavour, prepared.source) == ("torchvision", str(path))
    assert prepared.model.output_shape == (None, 7)
    assert prepared.counts.trainable == size(prepared.model)
    assert np.array_equal(kernel(prepared), saved)
    assert prepared.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_of_other_classes_than_asked_for_is_refused(weights_file):
    with pytest.raises(WeightsError, match="7 classes where 9 are asked for"):
        prepare(NET, str(weights_file[0]), classes=9)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.pth"):
        prepare(NET, str(tmp_path / "nowhere.pth"))


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_fewer_than_two_classes_are_refused(classes):
    with pytest.raises(ValueError, match=f"at least 2 classes. Received: {classes}$"):
        prepare(NET, classes=classes)


def test_an_unknown_flavour_and_a_negative_seed_are_refused():
    with pytest.raises(ValueError, match="no flavour 'darknet'"):
        prepare(NET, flavour="darknet")
    with pytest.raises(ValueError, match="a seed is zero or more"):
        prepare(NET, seed=-1, image=SMALL)


def test_an_image_too_small_is_refused_with_the_smallest():
    with pytest.raises(ValueError, match="at least 29x29 pixels"):
        prepare(NET, image=(28, 28, 3))


def test_what_was_prepared_says_how_to_build_it_again(weights_file):
    prepared = prepare(NET, seed=5, classes=3, image=SMALL, flavour="torchvision")
    assert prepared.model_source.as_dict() == {
        "kind": "catalog",
        "source": "squeezenet1_1",
        "arguments": {"classes": 3, "image": [64, 64, 3], "flavour": "torchvision"},
        "sha256": "",
    }


def test_a_source_names_a_seed_or_a_file():
    assert (seed_of("seeded:0"), seed_of("seeded:12"), seed_of("vgg13.pth")) == (0, 12, None)
    with pytest.raises(ValueError, match="three"):
        seed_of("seeded:three")
