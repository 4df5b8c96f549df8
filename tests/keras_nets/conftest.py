"""The graphs that several tests look at, built once."""

import pytest

from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled


@pytest.fixture(scope="session")
def graphs():
    """Every network in every flavour; the memory of the weights is never touched."""
    return {
        (net.name, flavour): build_unfilled(net, flavour=flavour)
        for net in NETS.values()
        for flavour in net.flavours
    }
