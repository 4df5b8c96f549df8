"""Build the Keras 2 twin of a network from its description, and fill and run it, for scripts.

The description is that of export/compression/twin.py. Weights are arrays called "layer|weight".
"""

import os

# Must be set before TensorFlow is imported; tensorflow-model-optimization refuses Keras 3.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import ctypes
import inspect
import sys

import numpy as np
import tf_keras as keras

AT_ONCE = 1 << 24  # values
GIVEN_BACK = 1 << 22  # bytes from which memory goes back at once
# What Keras 3 calls a weight that Keras 2 has under another name.
NAMES = {("DepthwiseConv2D", "kernel"): "depthwise_kernel"}


if sys.platform == "linux":  # else C keeps what is smaller than a limit that it raises on the way
    ctypes.CDLL(None).mallopt(-3, GIVEN_BACK)  # M_MMAP_THRESHOLD


def build(description, blank=False):
    """Return the network that `description` is of, without its weights.

    If it is `blank`, these are zeros: random values take several times their memory to draw, which
    TensorFlow then keeps.
    """
    inputs = {
        one["name"]: keras.Input(tuple(one["shape"]), dtype=one["dtype"], name=one["name"])
        for one in description["inputs"]
    }
    tensors = dict(inputs)
    layers = {one["name"]: make_layer(one, blank) for one in description["layers"]}

    def filled(value):
        if isinstance(value, dict):
            return tensors[value["tensor"]]
        return [filled(one) for one in value] if isinstance(value, list) else value

    for call in description["calls"]:
        options = {key: filled(value) for key, value in call["options"].items()}
        arguments = [filled(value) for value in call["args"]]
        try:
            tensors[call["output"]] = layers[call["layer"]](*arguments, **options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"layer {call['layer']} has no twin: {error}") from error
    outputs = [tensors[name] for name in description["outputs"].values()]
    return keras.Model(_alone(list(inputs.values())), _alone(outputs), name="twin")


def _alone(tensors):
    """The only tensor of a list, or the list."""
    return tensors if len(tensors) > 1 else tensors[0]


def run(model, description, given):
    """The outputs of `model` by name, for arrays by the names of the inputs, one sample at a time.

    `description` is what it was built of.
    """
    names = [one["name"] for one in description["inputs"]]
    parts = []
    for at in range(len(given[names[0]])):
        made = model(_alone([given[name][at : at + 1] for name in names]), training=False)
        parts.append([tensor.numpy() for tensor in (made if isinstance(made, list) else [made])])
    every = [np.concatenate(values) for values in zip(*parts)]  # noqa: B905 (Python 3.9)
    return dict(zip(description["outputs"], every))  # noqa: B905


def make_layer(one, blank=False):
    """Return the layer of Keras 2; ValueError with its name where there is none."""
    kind, options = getattr(keras.layers, one["class_name"], None), one["options"]
    if kind is None:
        raise ValueError(f"layer {one['name']} has no twin: Keras 2 has no {one['class_name']}")
    known = _options_of(kind)
    strange = {key: value for key, value in options.items() if key not in known}
    told = {key: value for key, value in strange.items() if value not in (None, False)}
    if told:
        raise ValueError(f"layer {one['name']} has no twin: Keras 2 has no option {min(told)}")
    zeros = {key: "zeros" for key in known if blank and key.endswith("_initializer")}
    try:
        return kind(**zeros, **{key: options[key] for key in options.keys() - strange},
                    name=one["name"])  # fmt: skip
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {one['name']} has no twin: {error}") from error


def _options_of(kind):
    found = set()
    for above in kind.__mro__:
        if "__init__" in vars(above) and above is not object:
            found |= set(inspect.signature(above.__init__).parameters)
    return found


def variables(layer, described):
    """The variables of a layer by the names that Keras 3 gives them."""
    own = {
        variable.name.rpartition("/")[2].partition(":")[0]: variable for variable in layer.weights
    }
    kind = described["class_name"]
    found = {name: own.get(NAMES.get((kind, name), name)) for name in described["weights"]}
    lost = [name for name, variable in found.items() if variable is None]
    if lost or len(found) != len(layer.weights):
        raise ValueError(
            f"layer {described['name']} has other weights in Keras 2: {', '.join(sorted(own))} "
            f"instead of {', '.join(found)}"
        )
    return found


def assign(variable, values):
    """Give `variable` its values, a piece at a time, because a copy of all may not fit."""
    if values.size <= AT_ONCE:
        variable.assign(values)
        return
    for piece in pieces(values.shape):
        variable[piece].assign(values[piece])


def difference(variable, values):
    """The largest difference between a variable and what it should hold."""
    worst = 0.0
    for piece in pieces(values.shape):
        held, wanted = variable[piece].numpy(), values[piece]
        if not np.array_equal(held, wanted):  # the difference would be a third copy
            worst = max(worst, float(np.abs(held - wanted).max(initial=0.0)))
    return worst


def pieces(shape):
    """Slices of the first axis, AT_ONCE values each; all of an array that is no larger."""
    size = int(np.prod(shape))
    if size <= AT_ONCE:
        return [...]
    step = max(1, AT_ONCE // (size // shape[0]))
    return [slice(start, start + step) for start in range(0, shape[0], step)]


def fill(model, description, arrays):
    """Give `model` the weights in `arrays`, and take them out of it; return the largest difference.

    It is 0 where the twin holds exactly what it was given. `arrays` is emptied on the way, so that
    no weight is in memory twice for long.
    """
    worst = 0.0
    for described in description["layers"]:
        layer = model.get_layer(described["name"])
        for name, variable in variables(layer, described).items():
            values = arrays.pop(f"{described['name']}|{name}")
            assign(variable, values)
            worst = max(worst, difference(variable, values))
    return worst
