"""Seeded weights fill everything, are the same everywhere, and give logits that tell images apart.

Each network is seeded once and only facts about it are kept, so one is in memory at a time.
"""

import gc
import hashlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled
from keras_nets.weights.seeded import seed_weights

# sha256 of names, shapes and little-endian float32 values under seed 0, in the order of the graph.
# They hold on every machine, Python, numpy, Keras and backend; they change only on purpose.
DIGESTS = {
    "alexnet": "2c3cb13c55f60cc7958c99e96ae05dd7daa025c4ca7a885cf4509855d512e99f",
    "squeezenet1_0": "b78811196a237b824b49e2a8dc121e6571946f0e2c786ace0a8f03dc66bd0ed5",
    "squeezenet1_1": "1fcca9587fd65a5409d2063f105d0e3654a5b8e429b89cb79c495ff68591b9d0",
    "vgg11": "ef46810799ed4b43f95db6824b5a6a4ac91fb15fb647feb63d566ee218a19a77",
    "vgg13": "86c847296b8e45e4fa994948fbe8f688b5660030fa5ba6a42144b4cea96bf58b",
    "vgg16": "1826ace562b69fca5618023e83cb1c596ee6fd35aa1e82ccdcb0de91c7ba9eb5",
    "vgg19": "64bdbea4e78bbd1f60a2898b7df23372f66e722ca06a54d1447ec5013cac5726",
    "darknet53": "b0bbff67391efd0b5667fd0b2548e0d958b8e792316df192167e39e0c3458fb8",
}
PICTURES = 3


def named_weights(model) -> dict[str, np.ndarray]:
    return {
        variable.path: keras.ops.convert_to_numpy(variable)
        for layer in model.layers
        for variable in layer.weights
        if "float" in str(variable.dtype)
    }


def digest(weights: dict[str, np.ndarray]) -> str:
    summed = hashlib.sha256()
    for name, values in weights.items():
        summed.update(f"{name} {values.shape} ".encode())
        summed.update(np.ascontiguousarray(values, "<f4").data)
    return summed.hexdigest()


@pytest.fixture(scope="module", params=NETS)
def seeded(request):
    """Facts about one network under seed 0."""
    net = NETS[request.param]
    model = seed_weights(build_unfilled(net))
    weights = named_weights(model)
    images = np.random.default_rng(0).standard_normal((PICTURES, *net.image), np.float32)
    facts = SimpleNamespace(
        name=net.name,
        digest=digest(weights),
        total=sum(values.size for values in weights.values()),
        ranges={name: (values.min(), values.max()) for name, values in weights.items()},
        zeros={name: np.mean(values == 0) for name, values in weights.items()},
        logits=np.concatenate([model.predict_on_batch(image[None]) for image in images]),
    )
    del model, weights
    gc.collect()
    return facts


def test_every_weight_is_filled_and_none_is_constant(seeded):
    assert seeded.total == NETS[seeded.name].counts["paddle"].total
    assert all(np.isfinite(bounds).all() for bounds in seeded.ranges.values())
    assert all(low < high for low, high in seeded.ranges.values())
    assert max(seeded.zeros.values()) < 0.01


def test_batch_norm_statistics_are_plausible(seeded):
    for name, (low, high) in seeded.ranges.items():
        if name.endswith(("moving_variance", "gamma")):
            assert 0 < low < high and high / low > 2, name
        elif name.endswith(("moving_mean", "beta", "bias")):
            assert low < -0.01 and high > 0.01, name


def test_logits_have_a_spread_of_about_one(seeded):
    assert seeded.logits.shape == (PICTURES, 1000)
    assert 0.5 < seeded.logits.std() < 2


def test_logits_tell_images_apart(seeded):
    assert seeded.logits.std(axis=0).mean() > 0.05 * seeded.logits.std()
    assert len(set(seeded.logits.argmax(axis=1))) > 1 or seeded.name.startswith("squeezenet")


def test_the_bytes_of_seed_0_are_those_of_every_other_machine(seeded):
    assert seeded.digest == DIGESTS[seeded.name]


def toy(order=("left", "right"), *, head=5) -> keras.Model:
    """A convolution, two branches built in `order`, and a classifier."""
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv1")(x)
    branches = {}
    for name in order:
        y = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        y = layers.BatchNormalization(name=f"{name}_bn")(y)
        branches[name] = layers.ReLU(name=f"{name}_act")(y)
    x = layers.Add(name="add")([branches["left"], branches["right"]])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return keras.Model(inputs, layers.Dense(head, name="logits")(x), name="toy")


def assert_same(first: dict, second: dict):
    assert first.keys() == second.keys()
    assert all(np.array_equal(values, second[name]) for name, values in first.items())


def test_the_same_seed_gives_the_same_bytes():
    assert_same(named_weights(seed_weights(toy(), 3)), named_weights(seed_weights(toy(), 3)))


def test_another_seed_changes_every_weight():
    first, second = (named_weights(seed_weights(toy(), seed)) for seed in (0, 1))
    for name, values in first.items():
        assert not np.any(values == second[name]), name


def test_seeding_again_forgets_what_was_there():
    model = seed_weights(toy(), 1)
    assert_same(named_weights(seed_weights(model, 0)), named_weights(seed_weights(toy(), 0)))


def test_the_order_in_which_layers_were_built_does_not_matter():
    forth = named_weights(seed_weights(toy(("left", "right"))))
    back = named_weights(seed_weights(toy(("right", "left"))))
    assert_same(dict(sorted(forth.items())), dict(sorted(back.items())))


def test_a_weight_does_not_depend_on_other_layers():
    five, seven = (named_weights(seed_weights(toy(head=head))) for head in (5, 7))
    assert five.pop("logits/kernel").shape != seven.pop("logits/kernel").shape
    assert five.pop("logits/bias").shape != seven.pop("logits/bias").shape
    assert_same(five, seven)


def test_no_two_weights_of_one_shape_are_alike():
    # Converters merge equal constants, and a check that counts weights would then be right to fail.
    weights = named_weights(seed_weights(toy()))
    flat = [values.ravel().tobytes() for values in weights.values()]
    assert len(set(flat)) == len(flat)


def test_kernels_are_scaled_by_their_fan_in_and_centred_above_the_first():
    image = keras.Input((4, 4, 64), name="image")
    x = layers.Conv2D(128, 3, name="conv1")(image)
    x = layers.Conv2D(256, 1, name="conv2")(x)
    weights = named_weights(seed_weights(keras.Model(image, layers.Dense(64, name="logits")(x))))
    for name, fan_in in (("conv1", 9 * 64), ("conv2", 128), ("logits", 256)):
        kernel = weights[f"{name}/kernel"].reshape(fan_in, -1)
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02), name
        worst = np.abs(kernel.mean(axis=0)).max() / kernel.std()
        assert (worst < 1e-5) == (name != "conv1"), name


def test_a_depthwise_kernel_is_scaled_by_what_one_filter_sees():
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(256, 1, name="conv1")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.SeparableConv2D(16, 3, name="separable")(x)
    weights = named_weights(seed_weights(keras.Model(inputs, x)))
    kernels = {
        "depthwise/kernel": (9, 1),
        "separable/depthwise_kernel": (9, 8 / 9),  # centring leaves that much of the variance
        "separable/pointwise_kernel": (512, 1),
    }
    for name, (fan_in, left) in kernels.items():
        assert weights[name].std() == pytest.approx(np.sqrt(2 / fan_in * left), rel=0.03), name


def test_gates_are_open_and_depthwise_kernels_see_more_than_edges():
    """Else every image gives the same logits, behind a dozen of gates that halve."""
    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, name="conv")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Activation("sigmoid")(layers.Conv2D(8, 1, name="gate")(gate))
    x = layers.DepthwiseConv2D(3, name="depthwise")(layers.Multiply()([x, gate]))
    x = layers.Multiply()([x, layers.Conv2D(8, 1, name="as_wide")(x)])
    weights = named_weights(seed_weights(keras.Model(inputs, x)))
    assert weights["gate/bias"].min() >= 2 and weights["gate/bias"].max() <= 4
    assert all(np.abs(weights[f"{name}/bias"]).max() <= 0.1 for name in ("conv", "as_wide"))
    assert np.abs(weights["depthwise/kernel"].mean(axis=(0, 1))).max() > 0.1


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "MobileNetV3Small"])
def test_networks_with_gates_tell_images_apart(name):
    model = getattr(keras.applications, name)(
        weights=None, classifier_activation=None, input_shape=(64, 64, 3), classes=10
    )
    random = np.random.default_rng(0)
    tint = random.uniform(0, 255, (4, 1, 1, 3)) + random.normal(0, 40, (4, 64, 64, 3))
    logits = np.asarray(seed_weights(model)(np.clip(tint, 0, 255).astype(np.float32)))
    assert logits.std(axis=0).mean() > 0.1 * logits.std()


def test_only_the_batch_norm_that_ends_a_residual_block_is_damped():
    weights = named_weights(seed_weights(toy()))
    assert weights["right_bn/gamma"].max() <= 0.4 * 1.5 < weights["left_bn/gamma"].max()


def test_a_batch_norm_without_an_activation_before_the_addition_is_damped_too():
    x = inputs = keras.Input((8, 8, 64), name="image")
    y = layers.BatchNormalization(name="bn1")(layers.Conv2D(64, 1, name="conv1")(x))
    y = layers.Activation("relu", name="act1")(y)
    y = layers.BatchNormalization(name="bn2")(layers.Conv2D(64, 1, name="conv2")(y))
    weights = named_weights(seed_weights(keras.Model(inputs, layers.Add(name="add")([x, y]))))
    assert weights["bn2/gamma"].max() < 0.6 and weights["bn2/gamma"].min() < 0.5
    assert weights["bn1/gamma"].max() > 1.2


class Block(layers.Layer):
    """Two dense layers of one shape, whose kernels are both called `kernel`."""

    def __init__(self, **options):
        super().__init__(**options)
        self.up, self.down = layers.Dense(6, name="up"), layers.Dense(6, name="down")

    def call(self, x):
        return self.down(self.up(x))


class Subclassed(keras.Model):
    """A model that no graph connects, with a layer inside a layer and normalised images."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.norm = layers.Normalization(axis=-1, name="norm")
        self.norm.build((None, 6))
        self.block = Block(name="block")
        self.add = layers.Add(name="add")
        self.head = layers.Dense(5, name="head")

    def call(self, x):
        x = self.norm(x)
        return self.head(self.add([x, self.block(x)]))


def test_layers_inside_layers_get_values_of_their_own():
    model = Subclassed()
    model(np.zeros((1, 6), "float32"))
    weights = named_weights(seed_weights(model))
    up, down = (weights[f"subclassed/block/{name}/kernel"] for name in ("up", "down"))
    assert up.shape == down.shape and not np.any(up == down)
    assert all(values.min() < values.max() for values in weights.values())
    variances = [values for name, values in weights.items() if name.endswith("variance")]
    assert len(variances) == 1 and variances[0].min() > 0


def test_a_layer_has_the_same_weights_in_a_nested_model_whatever_that_is_in():
    def trunk():
        image = keras.Input((4,), name="entry")
        return keras.Model(image, layers.Dense(4, name="fc1")(image), name="trunk")

    found = []
    for name in ("one", "two"):
        inputs = keras.Input((4,), name="image")
        x = layers.Dense(4, name="fc0")(inputs)
        logits = layers.Dense(5, name="logits")(trunk()(x))
        found.append(named_weights(seed_weights(keras.Model(inputs, logits, name=name))))
    assert_same(*found)
    assert not np.any(found[0]["fc1/kernel"] == found[0]["fc0/kernel"])


def test_weights_of_fewer_bits_are_filled_too():
    image = keras.Input((8,), name="image")
    logits = layers.Dense(5, name="logits", dtype="bfloat16")(image)
    kernel = seed_weights(keras.Model(image, logits)).get_layer("logits").bias
    assert np.any(keras.ops.convert_to_numpy(keras.ops.cast(kernel, "float32")) != 0)


def test_a_negative_seed_is_refused_on_one_line():
    with pytest.raises(ValueError, match=r"^a seed is zero or more\. Received: -1$"):
        seed_weights(toy(), -1)


def test_the_state_of_a_dropout_is_left_alone():
    model = toy()
    before = [keras.ops.convert_to_numpy(v) for v in model.get_layer("drop").variables]
    seed_weights(model)
    after = [keras.ops.convert_to_numpy(v) for v in model.get_layer("drop").variables]
    assert len(before) == 1 and np.array_equal(before, after)
