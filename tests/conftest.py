"""Toy networks that hold every kind of weight, and their artifacts, made once for all tests."""

import functools
import os
import signal
from dataclasses import replace

import hypothesis
import pytest

# TensorFlow keeps to itself. All else is as it is where a user calls from Python: oneDNN is on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The same examples on every machine, however slow, and no folder of them left behind.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same")

# A run that was started in the background, or by nohup, ignores these, and so would its children.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

CLASSES = 5
CALIBRATED = 64  # synthetic images for formats of 8 bits
_ranges = {}  # of activations, by the folder of the artifact that was made with them


def plain_net():
    """Convolutions, dense layers and batch-norms that fold, as the networks of the catalog have."""
    import keras
    from keras import layers

    x = inputs = keras.Input((32, 32, 3), name="image")
    x = layers.ZeroPadding2D(((1, 0), (1, 0)), name="pad1")(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv1")(x)
    x = layers.BatchNormalization(name="norm1")(x)
    x = shortcut = layers.LeakyReLU(negative_slope=0.1, name="leaky1")(x)
    x = layers.Conv2D(8, 3, padding="same", name="conv2")(x)
    x = layers.BatchNormalization(name="norm2")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name="leaky2")(x)
    x = layers.Add(name="add")([shortcut, x])
    x = layers.ZeroPadding2D(1, name="pad3")(x)
    x = layers.Conv2D(12, 3, strides=2, activation="relu", name="conv3")(x)
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(16, activation="relu", name="fc4")(x)
    x = layers.Dropout(0.5, name="drop4")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="plain")


def odd_net():
    """Depthwise and separable convolutions, and batch-norms that cannot fold."""
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.BatchNormalization(name="norm0")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv1")(x)
    left = layers.DepthwiseConv2D(3, padding="same", name="depthwise2")(x)
    right = layers.SeparableConv2D(7, 3, padding="same", activation="relu", name="separable2")(x)
    x = layers.Concatenate(name="concat2")([left, right])
    x = layers.BatchNormalization(scale=False, name="norm2")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.Conv2D(8, 3, padding="same", name="conv3")(x)
    x = layers.ReLU(name="relu3")(x)
    x = layers.GlobalAveragePooling2D(name="pool4")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="odd")


def shared_net():
    """One convolution that is called twice, so that a batch-norm behind it does not fold."""
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(x)
    shared = layers.Conv2D(6, 3, padding="same", name="shared2")
    x = layers.BatchNormalization(name="norm2")(shared(x))
    x = layers.ReLU(name="relu2")(x)
    x = layers.ReLU(name="relu3")(shared(x))
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="shared")


def nested_net():
    """A functional model inside a functional model."""
    import keras
    from keras import layers

    y = entry = keras.Input((16, 16, 3), name="entry")
    y = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv1")(y)
    y = layers.BatchNormalization(name="norm1")(y)
    y = layers.ReLU(name="relu1")(y)
    trunk = keras.Model(entry, y, name="trunk")
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Flatten(name="flatten")(trunk(inputs))
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="nested")


def subclassed_model():
    """A model of one's own class, whose layers no graph connects."""
    import keras
    from keras import layers

    class Block(keras.Model):
        def __init__(self):
            super().__init__(name="block")
            self.conv = layers.Conv2D(6, 3, padding="same", name="conv1")
            self.pool = layers.MaxPooling2D(2, name="pool1")

        def call(self, image, training=False):
            return self.pool(self.conv(image))

    return Block()


def subclassed_net():
    """A functional model around a model of one's own class."""
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Flatten(name="flatten")(subclassed_model()(inputs))
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name="subclassed")


TOYS = {
    "plain": plain_net,
    "odd": odd_net,
    "shared": shared_net,
    "nested": nested_net,
    "subclassed": subclassed_net,
}


@functools.cache
def toy(name: str):
    """The toy called `name`, every weight of it filled."""
    from keras_nets.weights.seeded import seed_weights

    return seed_weights(TOYS[name](), seed=1)


@functools.cache
def skeleton(name: str):
    """The same, traced without its weights."""
    from export.skeleton.tracing import trace

    return trace(toy(name))


@pytest.fixture(scope="session", name="toy")
def give_toy():
    """A function from the name of a toy to its Keras model, which must not be changed."""
    return toy


@pytest.fixture(scope="session", name="skeleton")
def give_skeleton():
    """A function from the name of a toy to its Skeleton."""
    return skeleton


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A function (toy, format) -> the folder of an artifact, made in this process."""
    from export.calibration.prepared import prepare
    from export.calibration.reading import synthetic
    from export.formats import find_format
    from export.formats.base import Order

    @functools.cache
    def write(name: str, format_name: str):
        folder, scratch = (tmp_path_factory.mktemp(f"{name}-{part}") for part in ("made", "spare"))
        format, order = find_format(format_name), {}
        if format.needs:
            order = prepare(synthetic(count=CALIBRATED), skeleton(name), 0).order
        written = format.write(
            Order(skeleton=skeleton(name), folder=folder, scratch=scratch, **order)
        )
        _ranges[folder] = written.ranges
        return folder

    return write


@pytest.fixture(scope="session")
def export_toy(tmp_path_factory):
    """A function (toy, format) -> its report, after the whole way with child processes."""
    from export.pipeline import Options, export_model

    out = tmp_path_factory.mktemp("exports")

    @functools.cache
    def export(name: str, format_name: str):
        (report,) = export_model(
            toy(name), [format_name], out, options=Options(weights_source="seeded:1")
        )
        return report

    return export


@pytest.fixture(scope="session")
def look(tmp_path_factory):
    """A function (format, folder, images) -> Observation, made without a child process."""
    from export.observe.artifact import observe
    from export.process import in_this_process

    def observe_here(format_name: str, folder, images):
        with in_this_process():
            given = images if isinstance(images, dict) else {"image": images}
            return observe(format_name, folder, given, tmp_path_factory.mktemp("look"))

    return observe_here


@pytest.fixture(scope="session")
def reference():
    """A function from the name of a toy to its Reference on the probes."""
    from export.observe.model import observe_model
    from export.observe.probes import inputs

    @functools.cache
    def observe(name: str):
        traced = skeleton(name)
        return observe_model(toy(name), traced, inputs(traced, 0))

    return observe


@pytest.fixture(scope="session")
def look_plain(tmp_path_factory):
    """A function from a Trial of a rounded artifact, and its folder, to what it is unrounded."""
    from export.observe.plain import observe_plain, plainer
    from export.process import in_this_process

    def observe(trial, folder):
        scratch = tmp_path_factory.mktemp("plain")
        with in_this_process(), plainer(trial.format, scratch) as child:
            return observe_plain(folder, trial, child)

    return observe


@pytest.fixture(scope="session")
def failures(look, reference, look_plain):
    """A function (toy, format, folder) -> the checks that fail, by name."""
    from export.checks import Expected, Trial, run_checks
    from export.formats import find_format
    from export.results import Status

    def judge(name: str, format_name: str, folder):
        seen = look(format_name, folder, reference(name).inputs)
        unknown = Expected.unknown("a toy is in no catalog")
        trial = Trial(
            format=find_format(format_name),
            reference=reference(name),
            observation=seen,
            expected=unknown,
            calibration={"ranges": _ranges.get(folder, {})},
        )
        if trial.format.rounds and not seen.error:
            trial = replace(trial, plain=look_plain(trial, folder))
        return {c.name: c for c in run_checks(trial) if c.status is Status.FAILED}

    return judge
