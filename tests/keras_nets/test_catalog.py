"""The catalog is plain data: it lists every network once, and reading it loads nothing heavy."""

import dataclasses
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from keras_nets.catalog import ALL, NETS, Counts, find_net

ROOT = Path(__file__).parents[2]
TITLES = (
    "AlexNet",
    "SqueezeNet1_0",
    "SqueezeNet1_1",
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
    "DarkNet53",
)


def test_the_catalog_has_the_eight_networks_of_the_page_in_its_order():
    assert tuple(net.title for net in NETS.values()) == TITLES
    assert tuple(NETS) == tuple(title.lower() for title in TITLES)


def test_no_name_is_registered_twice():
    assert len(NETS) == len(ALL)


def test_a_network_is_found_by_its_name():
    assert all(find_net(name) is net for name, net in NETS.items())


@pytest.mark.parametrize("name", ["vgg12", "VGG13", "", "vgg"])
def test_an_unknown_network_lists_the_known_ones_on_one_line(name):
    with pytest.raises(ValueError) as caught:
        find_net(name)
    message = str(caught.value)
    assert repr(name) in message and "\n" not in message
    assert all(known in message for known in NETS)


@pytest.mark.parametrize("net", ALL, ids=lambda net: net.name)
def test_the_builder_has_the_networks_name_and_lives_in_its_family(net):
    builder = getattr(import_module(f"keras_nets.{net.family}"), net.name)
    assert builder.__name__ == net.name and builder.__doc__


@pytest.mark.parametrize("net", ALL, ids=lambda net: net.name)
def test_every_flavour_has_counts_and_macs(net):
    assert net.flavours[0] == "paddle"
    assert tuple(net.macs) == net.flavours


def test_counts_add_up_by_kind():
    counts = Counts(weights=1000, biases=100, scales=10, statistics=1)
    assert (counts.trainable, counts.total, counts.page) == (1110, 1111, 1010)


def test_a_network_cannot_be_changed_by_who_reads_it():
    with pytest.raises(dataclasses.FrozenInstanceError):
        NETS["vgg13"].name = "vgg12"


def test_counts_at_other_channels_are_not_guessed():
    assert NETS["vgg13"].expected_counts(image=(224, 224, 1)) is None


@pytest.mark.parametrize("module", ["keras_nets", "keras_nets.catalog", "keras_nets.weights"])
def test_importing_the_catalog_loads_neither_numpy_nor_a_framework(module):
    heavy = ("numpy", "keras", "tensorflow", "jax", "torch", "onnx", "h5py", "PIL")
    code = f"import {module}, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & set(heavy)
