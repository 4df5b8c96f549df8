"""The names of each network's tensors in each framework: data, and loops that spell it out.

A weight of ours is "layer/variable": `conv1_1/kernel`, `stage1_down_bn/moving_mean`.
Sources: those of the flavours, see catalog.py.
"""

from collections import Counter

from keras_nets.catalog import Net

# Beside a naming for each flavour: that of our own files, and that of Keras files without names,
# which count the layers of each class: `conv2d`, `conv2d_1`.
OURS = "ours"
BY_ORDER = "by order"
# Where the fire modules 2 to 9 stand in torchvision's `features`.
FIRES = {
    "squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12),
    "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12),
}
# Layers after a dropout that halves at inference, in paddle: its weights expect halved inputs.
HALVED = {
    "alexnet": ("fc6", "fc7"),
    "squeezenet": ("conv10",),
    "vgg": ("fc7", "logits"),
}
# Keras' class, and its variables in the order in which Keras saves them.
CONV = ("conv2d", ("kernel", "bias"))
BARE_CONV = ("conv2d", ("kernel",))
DENSE = ("dense", ("kernel", "bias"))
NORM = ("batch_normalization", ("gamma", "beta", "moving_mean", "moving_variance"))
# naming -> our variable -> what follows the layer's name there
SUFFIXES = {
    "paddle": {
        "kernel": ".weight",
        "bias": ".bias",
        "gamma": ".weight",
        "beta": ".bias",
        "moving_mean": "._mean",
        "moving_variance": "._variance",
    },
    "torchvision": {"kernel": ".weight", "bias": ".bias"},
    # As the C code calls them; the file itself has no names, only an order.
    "darknet": {
        "kernel": ".weights",
        "bias": ".biases",
        "gamma": ".scales",
        "beta": ".biases",
        "moving_mean": ".rolling_mean",
        "moving_variance": ".rolling_variance",
    },
}


def tensor_names(net: Net, flavour: str, naming: str) -> dict[str, str]:
    """Return our weight -> the tensor's name in `naming`, for each weight, in the net's order."""
    names, counts = {}, Counter()
    for layer, (kind, variables, theirs) in _LAYERS[net.family](net, flavour).items():
        ordinal = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        for variable in variables:
            ours = f"{layer}/{variable}"
            if naming == OURS:
                names[ours] = ours
            elif naming == BY_ORDER:
                names[ours] = f"{ordinal}/{variable}"
            else:
                names[ours] = theirs + SUFFIXES[naming][variable]
    return names


def head(net: Net) -> str:
    """Return the weight whose last axis has one entry a class."""
    return "conv10/kernel" if net.family == "squeezenet" else "logits/kernel"


def _alexnet(net: Net, flavour: str) -> dict:
    ours = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "logits")
    theirs = {
        "paddle": ("_conv1._conv", "_conv2._conv", "_conv3", "_conv4", "_conv5._conv", "_fc6",
                   "_fc7", "_fc8"),
        "torchvision": ("features.0", "features.3", "features.6", "features.8", "features.10",
                        "classifier.1", "classifier.4", "classifier.6"),
    }  # fmt: skip
    return {
        layer: (*(CONV if layer.startswith("conv") else DENSE), name)
        for layer, name in zip(ours, theirs[flavour], strict=True)
    }


def _squeezenet(net: Net, flavour: str) -> dict:
    parts = {
        "paddle": ("._conv._conv", "._conv_path1._conv", "._conv_path2._conv"),
        "torchvision": (".squeeze", ".expand1x1", ".expand3x3"),
    }[flavour]
    first, last = {
        "paddle": ("_conv", "_conv9"),
        "torchvision": ("features.0", "classifier.1"),
    }[flavour]
    layers = {"conv1": (*CONV, first)}
    for fire, place in enumerate(FIRES[net.name], start=2):
        module = f"_conv{fire - 1}" if flavour == "paddle" else f"features.{place}"
        for ours, part in zip(("squeeze1", "expand1", "expand3"), parts, strict=True):
            layers[f"fire{fire}_{ours}"] = (*CONV, module + part)
    layers["conv10"] = (*CONV, last)
    return layers


def _vgg(net: Net, flavour: str) -> dict:
    layers, place = {}, 0
    for stage, (_, depth) in enumerate(net.stages, start=1):
        for index in range(1, depth + 1):
            if flavour == "paddle":
                found = (*BARE_CONV, f"conv_block_{stage}.conv{index}")
            else:
                found = (*CONV, f"features.{place}")
            layers[f"conv{stage}_{index}"] = found
            place += 2  # the convolution and its ReLU
        place += 1  # the pool
    dense = {
        "paddle": ("fc1", "fc2", "fc3"),
        "torchvision": ("classifier.0", "classifier.3", "classifier.6"),
    }[flavour]
    for layer, name in zip(("fc6", "fc7", "logits"), dense, strict=True):
        layers[layer] = (*DENSE, name)
    return layers


def _darknet(net: Net, flavour: str) -> dict:
    layers = {}
    for layer, name in _darknet_convs(net):
        if flavour == "paddle":
            layers[layer] = (*BARE_CONV, f"{name}._conv")
            layers[f"{layer}_bn"] = (*NORM, f"{name}._bn")
        else:
            layers[layer] = (*BARE_CONV, layer)
            layers[f"{layer}_bn"] = (*NORM, layer)
    layers["logits"] = (*DENSE, "_out" if flavour == "paddle" else "logits")
    return layers


def _darknet_convs(net: Net):
    """(our layer, paddle's) for the 52 convolutions, in the order of the graph."""
    yield "conv1", "_conv1"
    for stage, (_, blocks) in enumerate(net.stages):
        yield f"stage{stage + 1}_down", f"_downsample_{stage - 1}" if stage else "_conv2"
        for block in range(1, blocks + 1):
            for conv in (1, 2):
                yield (
                    f"stage{stage + 1}_{block}_conv{conv}",
                    (f"_basic_block_{stage}{block}._conv{conv}"),
                )


_LAYERS = {"alexnet": _alexnet, "squeezenet": _squeezenet, "vgg": _vgg, "darknet": _darknet}
