"""What a command line asks for, held against the network before Keras loads."""

import subprocess
import sys
from dataclasses import replace

import pytest

from keras_nets import save_weights
from keras_nets.prepare import prepare
from keras_nets.sources.request import Request

ASKED = Request(words="squeezenet1_1")


def no_bar(*_):
    pytest.fail("nothing is downloaded")


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """A weights file of torchvision's SqueezeNet for seven classes."""
    net = ASKED.net
    model = prepare(net, classes=7, image=(64, 64, 3), flavour="torchvision").model
    path = tmp_path_factory.mktemp("weights") / "seven.npz"
    save_weights(model, path, "npz", flavour="torchvision")
    return str(path)


VGG16 = Request(words="keras.applications:VGG16")


def test_a_network_of_keras_takes_a_size_and_classes_by_their_names():
    asked = replace(VGG16, classes=7, size=(32, 48), arguments=("pooling=max",))
    asked.check()
    assert asked.built_with == {"pooling": "max", "input_shape": (32, 48, 3), "classes": 7}
    Request(words="a.keras", size=(8, 8)).check()  # whether its sides are free, Keras can say


def test_what_fits_is_taken_and_the_rest_is_a_line():
    ASKED.check()
    assert ASKED.net.name == "squeezenet1_1" and Request(words="a.keras").net is None
    for asked, message in (
        (replace(ASKED, size=(16, 64)), "at least 29x29 pixels. Received: --image-size 16x64"),
        (replace(ASKED, arguments=("a=1",)), "--model-arg is for functions"),
        (Request(words="a.keras", classes=7), "of the catalog and of keras.applications; a.keras"),
        (replace(VGG16, classes=7, arguments=("classes=3",)), "--model-arg classes says again"),
    ):
        with pytest.raises(ValueError, match=message):
            asked.check()


def test_a_size_that_one_flavour_takes_is_left_to_the_weights_to_judge(seven):
    asked = replace(ASKED, weights=seven, size=(20, 20))
    asked.check()  # torchvision's graph takes 17x17
    assert asked.read_weights(no_bar).flavour == "torchvision"


def test_weights_say_the_flavour_and_the_classes(seven):
    settled = replace(ASKED, weights=seven).read_weights(no_bar)
    assert (settled.weights, settled.flavour, settled.classes) == (seven, "torchvision", 7)
    seeded = ASKED.read_weights(no_bar)
    assert (seeded.weights, seeded.flavour, seeded.classes) == (None, "paddle", 1000)
    with pytest.raises(ValueError, match="has 7 classes, and --classes asks for 9"):
        replace(ASKED, weights=seven, classes=9).read_weights(no_bar)


def test_what_was_asked_for_is_prepared(seven):
    asked = replace(ASKED, weights=seven, size=(64, 80))
    settled = asked.read_weights(no_bar)
    prepared = settled.prepare()
    assert prepared.model.input_shape == (None, 64, 80, 3)
    assert prepared.model.output_shape == (None, 7)
    assert replace(settled, request=replace(asked, size=(64, 64))).recipe().crop == 64


def test_asking_loads_no_keras():
    code = (
        "import sys; from keras_nets.sources.request import Request\n"
        "Request(words='vgg13').check(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"keras", "numpy", "tensorflow"} & set(done.stdout.split())
