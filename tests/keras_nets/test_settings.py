"""A user's own settings of Keras change no network of the catalog, and no network changes them."""

import keras
import numpy as np
import pytest

from keras_nets import NETS, load_weights, save_weights, seed_weights

SETTINGS = {
    "channels first": lambda: keras.config.set_image_data_format("channels_first"),
    "float16": lambda: keras.config.set_floatx("float16"),
    "float64": lambda: keras.config.set_floatx("float64"),
    "mixed precision": lambda: keras.config.set_dtype_policy("mixed_float16"),
    "a policy of bfloat16": lambda: keras.config.set_dtype_policy("bfloat16"),
}
SIDES = {"alexnet": 63, "darknet53": 32}


def settings() -> tuple:
    config = keras.config
    return config.image_data_format(), config.floatx(), config.dtype_policy().name


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def changed(request):
    """Keras under another setting, and then as it was."""
    before = settings()
    request.param()
    yield settings()
    keras.config.set_image_data_format(before[0])
    keras.config.set_floatx(before[1])
    keras.config.set_dtype_policy(before[2])


def layers(model) -> list[dict]:
    configs = []
    for layer in model.layers:
        config = layer.get_config()
        config.pop("seed", None)  # of a dropout, drawn anew
        configs.append({**config, "class": type(layer).__name__, "output": layer.output.shape})
    return configs


def same(name: str, flavour: str, changed: tuple) -> None:
    side = SIDES.get(name, 64)
    options = dict(classes=5, image=(side, side, 3), flavour=flavour)
    got = NETS[name].build(**options)
    assert settings() == changed
    assert {layer.compute_dtype for layer in got.layers} == {"float32"}
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    assert layers(got) == layers(NETS[name].build(**options))


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "vgg11", "darknet53"])
def test_each_family_is_built_the_same_under_any_setting(changed, name):
    same(name, NETS[name].flavours[-1], changed)


def test_weights_and_logits_are_the_same_under_any_setting(changed, tmp_path):
    def logits(model):
        return keras.ops.convert_to_numpy(model(np.ones((1, 64, 64, 3), np.float32)))

    options = dict(classes=5, image=(64, 64, 3), flavour="torchvision")
    model = seed_weights(NETS["squeezenet1_1"].build(**options), 0)
    save_weights(model, tmp_path / "w.npz", "npz", flavour="torchvision")
    got = logits(load_weights("squeezenet1_1", tmp_path / "w.npz", image=(64, 64, 3)))
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    assert got.dtype == np.float32
    want = logits(seed_weights(NETS["squeezenet1_1"].build(**options), 0))
    assert np.array_equal(got, want)


def test_an_error_while_building_leaves_the_settings_as_they_were(changed):
    with pytest.raises(ValueError, match="has no flavour"):
        NETS["vgg11"].build(flavour="x")
    assert settings() == changed
