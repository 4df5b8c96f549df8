"""What a report says of its model, and what a user adds, build it again in any process."""

import pickle
from functools import partial

import keras
import numpy as np
import pytest

from keras_nets.errors import SourceError
from keras_nets.prepare import prepare
from keras_nets.sources.rebuilding import build_model, builder
from keras_nets.sources.request import Request

SMALL = {"classes": 3, "image": [64, 64, 3], "flavour": "torchvision"}
REPORT = {"model": "squeezenet1_1", "options": SMALL, "source": {}, "weights": "seeded:5"}
AS_IT_IS = Request(words="")


def kernel(model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model.get_layer("conv1").kernel)


def test_a_report_builds_its_model_again_in_whatever_process():
    net = Request(words="squeezenet1_1").net
    wanted = prepare(net, seed=5, classes=3, image=(64, 64, 3), flavour="torchvision")
    build = pickle.loads(pickle.dumps(partial(build_model, builder(AS_IT_IS, **REPORT))))
    assert np.array_equal(kernel(build()), kernel(wanted.model))


def test_a_network_that_is_named_is_built_in_the_place_of_the_reports():
    built = builder(Request(words="squeezenet1_1"), **{**REPORT, "model": "mine"})()
    assert built.model.output_shape == (None, 3) and built.source == "seeded:5"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": "mine"}, SourceError, "its report does not say how to build it"),
        ({"options": {"classes": 3}}, SourceError, "does not say how to build squeezenet1_1"),
        ({"weights": "seeded:five"}, ValueError, "five"),
    ],
)
def test_a_report_that_does_not_say_how_is_refused_before_anything_is_built(
    changes, error, message
):
    with pytest.raises(error, match=message):
        builder(AS_IT_IS, **{**REPORT, **changes})
