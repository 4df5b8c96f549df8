"""What --preprocess says of pictures, and what a report keeps of it."""

import numpy as np
import pytest

from keras_nets import NETS
from keras_nets.preprocess import preprocess, recipe_for_image
from keras_nets.recipes import MODES, as_report, known_recipe, of_model, of_report, read_words

IMAGE = (24, 24, 3)


@pytest.fixture
def picture():
    """RGB bytes that are as large as a crop, so that nothing is resized."""
    return np.random.default_rng(0).integers(0, 256, IMAGE, np.uint8)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("scale=127.5,mean=127.5", lambda x: (x - 127.5) / 127.5),
        ("scale=1", lambda x: x),
        ("mean=10:20:30, scale=2:3:4", lambda x: (x - [10, 20, 30]) / [2, 3, 4]),
        ("mean=103:116:123,order=bgr", lambda x: x[..., ::-1] - [103, 116, 123]),
    ],
)  # fmt: skip
def test_numbers_are_of_pixels_from_0_to_255(picture, words, wanted):
    made = preprocess(picture, read_words(words).recipe(IMAGE))
    np.testing.assert_allclose(made, wanted(picture.astype(np.float64)), atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "ResNet50", "ResNet50V2", "VGG16", "MobileNetV2", "MobileNetV3Small", "DenseNet121",
        "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny", "InceptionV3", "InceptionResNetV2",
        "NASNetMobile", "Xception",
    ],
)  # fmt: skip
def test_networks_of_keras_take_pictures_as_keras_has_it(picture, name):
    from keras.src.applications import imagenet_utils

    modes = {"ResNet50": "caffe", "VGG16": "caffe", "DenseNet121": "torch"}
    usual = name.startswith(("Efficient", "ConvNeXt", "MobileNetV3"))
    wanted = picture.astype(np.float32)
    if not usual:
        mode = modes.get(name, "tf")
        wanted = imagenet_utils.preprocess_input(wanted.copy(), "channels_last", mode=mode)
    recipe = read_words(f"keras.applications:{name}").recipe(IMAGE)
    assert recipe.short == 27, "as networks of 224 take 256"
    own = preprocess(picture, read_words(_numbers(recipe)).recipe(IMAGE))
    np.testing.assert_allclose(own, wanted, atol=2e-4)


def _numbers(recipe) -> str:
    """The words of a recipe without its margin."""
    scale, mean = (":".join(str(255 * one) for one in side) for side in (recipe.std, recipe.mean))
    return f"scale={scale},mean={mean},order={recipe.order}"


def test_every_network_of_keras_is_known():
    import keras

    names = [name for name in dir(keras.applications) if name[0].isupper()]
    assert len(names) > 30
    unknown = [n for n in names if not any(n.casefold().startswith(mode) for mode in MODES)]
    assert unknown == []


def test_a_network_of_the_catalog_is_shared_in_its_flavour():
    for words, flavour in (("VGG13", "paddle"), ("vgg13:torchvision", "torchvision")):
        wanted = recipe_for_image(NETS["vgg13"], flavour, IMAGE)
        assert read_words(words).recipe(IMAGE) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "no network is called ''"),
        ("vgg14", "no network is called 'vgg14'; did you mean"),
        ("vgg13:darknet", "it comes as paddle, torchvision"),
        ("keras.applications:Own", "how keras.applications:Own takes pictures is not known"),
        ("scale=", "Received: 'scale='"),
        ("scale=1,scale=2", "Received: 'scale=2'"),
        ("size=3", "Received: 'size=3'"),
        ("scale=1:2", "is a number, or three"),
        ("mean=nan", "is a number, or three"),
        ("scale=0", "cannot be 0"),
        ("scale=1,order=grb", "no order of channels is called 'grb'"),
        ("scale=1,resample=bicubic", "no resampling is called 'bicubic'"),
        ("scale=1,short=0", "short is pixels"),
    ],
)
def test_words_that_say_nothing_are_one_line(words, message):
    with pytest.raises(ValueError) as caught:
        read_words(words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("image", [(24, 32, 3), (24, 24, 1)])
def test_pictures_become_square_and_colourful_alone(image):
    with pytest.raises(ValueError, match="cropped square and have 3 channels"):
        read_words("scale=1").recipe(image)


def test_a_report_keeps_the_recipe_and_refuses_a_damaged_one():
    recipe = read_words("keras.applications:ResNet50").recipe(IMAGE)
    content = as_report(recipe)
    assert of_report(content) == recipe and of_report(None) is None
    for change in (
        {"std": [1, 0, 1]}, {"mean": [1]}, {"crop": "x"}, {"order": "x"}, {"short": 1},
        {"std": [1, float("nan"), 1]},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="`preprocess` is damaged"):
            of_report({**content, **change})
    with pytest.raises(ValueError, match="damaged"):
        of_report([1])


def test_words_come_before_the_report_and_the_report_before_names():
    kept = as_report(read_words("scale=2").recipe(IMAGE))
    source = {"kind": "function", "source": "keras.applications:VGG16", "arguments": {}}
    about = {"model": "vgg13", "source": source}
    found = {
        "words": known_recipe(IMAGE, words="scale=3", options={"preprocess": kept}, **about),
        "report": known_recipe(IMAGE, words=None, options={"preprocess": kept}, **about),
        "keras": known_recipe(IMAGE, words=None, options={}, **about),
        "catalog": known_recipe(IMAGE, words=None, options={}, model="vgg13", source={}),
        "none": known_recipe(IMAGE, words=None, options={}, model="own", source={}),
    }
    assert found["words"].std[0] == 3 / 255 and found["report"].std[0] == 2 / 255
    assert found["keras"].order == "bgr"
    assert found["catalog"] == recipe_for_image(NETS["vgg13"], "paddle", IMAGE)
    assert found["none"] is None


def test_a_network_of_keras_whose_own_rescaling_is_left_out_says_nothing():
    words = "keras.applications:MobileNetV3Small"
    assert of_model(words, {}) and of_model(words, {"include_preprocessing": False}) is None
    assert of_model("my.keras", {}) is None
