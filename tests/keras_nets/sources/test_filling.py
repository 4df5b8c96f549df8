"""Models with weights: their own, a file's, or a seed's, and the same again from a report."""

import sys

import keras
import numpy as np
import pytest

from keras_nets.errors import SourceError
from keras_nets.prepare import prepare
from keras_nets.sources import ModelSource
from keras_nets.sources.filling import prepare_named, prepare_source, rebuild_source

MODULE = """
import keras


def net(units=2):
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(units)], name="net")
"""
SMALL = {"classes": 3, "image": (32, 32, 3), "flavour": "torchvision"}
MOBILENET = "keras.applications:MobileNet"
TINY = {"classes": 3, "alpha": 0.25, "input_shape": (32, 32, 3)}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "nets_to_fill.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("nets_to_fill", None)


def values(prepared) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in prepared.model.weights]


def equal(first, second) -> bool:
    return all(map(np.array_equal, values(first), values(second)))


@pytest.mark.parametrize(
    ("words", "arguments", "weights"),
    [
        ("squeezenet1_1", SMALL, "seeded:5"),
        (MOBILENET, TINY, "seeded:5"),
        ("nets_to_fill:net", {"units": 3}, "nets_to_fill:net"),
    ],
)
def test_what_was_prepared_is_prepared_again(words, arguments, weights):
    prepared = prepare_source(words, arguments, seed=5)
    assert prepared.source == weights
    source = ModelSource.of(prepared.model_source.as_dict())
    again = rebuild_source(source, prepared.source, seed=5)
    assert again.source == weights and equal(prepared, again)


def test_a_network_of_the_catalog_is_prepared_as_ever():
    prepared = prepare_source("squeezenet1_1", SMALL, seed=5)
    assert equal(prepared, prepare_named("squeezenet1_1", SMALL, weights="seeded:5"))
    from keras_nets.catalog import NETS

    assert equal(prepared, prepare(NETS["squeezenet1_1"], seed=5, **SMALL))


@pytest.mark.parametrize("ending", ["weights.h5", "keras", "h5"])
def test_a_file_of_keras_fills_a_model_and_is_found_again(ending):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    path = f"saved.{ending}"
    (model.save_weights if "weights" in path else model.save)(path)
    prepared = prepare_source("nets_to_fill:net", weights=path)
    np.testing.assert_array_equal(values(prepared)[0], np.asarray(model.weights[0]))
    assert prepared.source == path and len(prepared.file_sha256) == 64
    again = rebuild_source(prepared.model_source, prepared.source)
    assert equal(prepared, again)
    assert equal(prepared, prepare_named("nets_to_fill:net", {}, weights=path))


def test_weights_that_a_report_does_not_name_leave_a_model_its_own():
    for weights in ("given", "gone.weights.h5", "nets_to_fill:net"):
        prepared = prepare_named("nets_to_fill:net", {}, weights=weights)
        assert prepared.source == "nets_to_fill:net"


def test_a_seed_of_a_report_fills_whatever_is_named():
    seeded = prepare_source(MOBILENET, TINY, seed=4)
    model = prepare_named(MOBILENET, TINY, weights="seeded:4", seed=9)
    assert equal(seeded, model) and model.source == "seeded:4"


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ("saved.npz", "another model takes a file of Keras, .weights.h5, .keras or .h5"),
        ("imagenet", "--weights imagenet is for networks of the catalog"),
        ("gone.h5", "--weights gone.h5 is not there"),
        ("text.h5", "text.h5 is neither HDF5 nor a zip"),
        ("other.weights.h5", "--weights other.weights.h5 does not fit net (ValueError: "),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(here, weights, line):
    (here / "text.h5").write_text("no weights")
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]).save_weights("other.weights.h5")
    with pytest.raises(SourceError) as caught:
        prepare_source("nets_to_fill:net", weights=weights)
    assert line in str(caught.value) and "\n" not in str(caught.value)
