"""The eight networks evaluated with numpy from a framework's own tensors, in NCHW.

Written from the frameworks' descriptions and sharing nothing with keras_nets: names, layouts,
padding, pooling and dropout are each framework's.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

VGG = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def evaluate(net: str, flavour: str, tensors: dict, images: np.ndarray) -> np.ndarray:
    """Logits (batch, classes) of images (batch, 3, height, width); `darknet` has paddle's names."""
    if net == "darknet53":
        return _darknet53(tensors, images, flavour)
    paddle = flavour == "paddle"
    if net == "alexnet":
        return _alexnet(tensors, images, paddle)
    if net in VGG:
        return _vgg(tensors, images, VGG[net], paddle)
    return _squeezenet(tensors, images, net, paddle)


def conv(x, weight, bias=None, stride=1, pad=0):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    y = np.tensordot(windows, weight, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
    return y if bias is None else y + bias[:, None, None]


def pool(x, size=3, ceil=False):
    """Maximum over `size` x `size` windows, 2 apart."""
    if ceil:
        over = [(-(side - size)) % 2 for side in x.shape[2:]]
        pads = ((0, 0), (0, 0), (0, over[0]), (0, over[1]))
        x = np.pad(x, pads, constant_values=-np.inf)
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))


def relu(x):
    return np.maximum(x, 0)


def _dense(tensors, name, x, paddle):
    weight = tensors[f"{name}.weight"]
    return x @ (weight if paddle else weight.T) + tensors[f"{name}.bias"]


def _alexnet(tensors, x, paddle):
    if paddle:
        convs = ("_conv1._conv", "_conv2._conv", "_conv3", "_conv4", "_conv5._conv")
        dense = ("_fc6", "_fc7", "_fc8")
    else:
        convs = tuple(f"features.{index}" for index in (0, 3, 6, 8, 10))
        dense = ("classifier.1", "classifier.4", "classifier.6")
    for name, stride, pad, pools in zip(
        convs, (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), (True, True, False, False, True), strict=True
    ):
        x = relu(conv(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], stride, pad))
        x = pool(x) if pools else x
    x = x.reshape(len(x), -1)
    dropped = 0.5 if paddle else 1.0  # paddle's downscale_in_infer
    x = relu(_dense(tensors, dense[0], dropped * x, paddle))
    x = relu(_dense(tensors, dense[1], dropped * x, paddle))
    return _dense(tensors, dense[2], x, paddle)


def _vgg(tensors, x, depths, paddle):
    place = 0
    for stage, depth in enumerate(depths, start=1):
        for index in range(1, depth + 1):
            name = f"conv_block_{stage}.conv{index}" if paddle else f"features.{place}"
            x = relu(conv(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), 1, 1))
            place += 2
        x = pool(x, size=2)
        place += 1
    x = x.reshape(len(x), -1)
    dropped = 0.5 if paddle else 1.0
    names = ("fc1", "fc2", "fc3") if paddle else ("classifier.0", "classifier.3", "classifier.6")
    x = dropped * relu(_dense(tensors, names[0], x, paddle))
    x = dropped * relu(_dense(tensors, names[1], x, paddle))
    return _dense(tensors, names[2], x, paddle)


def _squeezenet(tensors, x, net, paddle):
    old = net == "squeezenet1_0"
    pools_before = (5, 9) if old else (4, 6)  # fire modules
    places = (3, 4, 5, 7, 8, 9, 10, 12) if old else (3, 4, 6, 7, 9, 10, 11, 12)
    first = "_conv" if paddle else "features.0"
    pad = 1 if paddle and not old else 0
    x = relu(conv(x, tensors[f"{first}.weight"], tensors[f"{first}.bias"], 2, pad))
    x = pool(x, ceil=not paddle)
    for fire, place in enumerate(places, start=2):
        if fire in pools_before:
            x = pool(x, ceil=not paddle)
        if paddle:
            module = f"_conv{fire - 1}"
            names = [f"{module}.{part}._conv" for part in ("_conv", "_conv_path1", "_conv_path2")]
        else:
            names = [f"features.{place}.{part}" for part in ("squeeze", "expand1x1", "expand3x3")]
        squeeze, one, three = ((tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in names)
        x = relu(conv(x, *squeeze))
        x = np.concatenate([relu(conv(x, *one)), relu(conv(x, *three, 1, 1))], axis=1)
    last = "_conv9" if paddle else "classifier.1"
    x = 0.5 * x if paddle else x
    return relu(conv(x, tensors[f"{last}.weight"], tensors[f"{last}.bias"])).mean(axis=(2, 3))


def _darknet53(tensors, x, flavour):
    def layer(x, name, stride=1):
        weight = tensors[f"{name}._conv.weight"]
        x = conv(x, weight, None, stride, weight.shape[-1] // 2)
        mean, variance, gamma, beta = (
            tensors[f"{name}._bn.{part}"][:, None, None]
            for part in ("_mean", "_variance", "weight", "bias")
        )
        if flavour == "paddle":
            return relu((x - mean) / np.sqrt(variance + np.float32(1e-5)) * gamma + beta)
        x = (x - mean) / (np.sqrt(variance) + np.float32(1e-6)) * gamma + beta
        return np.where(x > 0, x, np.float32(0.1) * x)

    x = layer(layer(x, "_conv1"), "_conv2", 2)
    for stage, blocks in enumerate((1, 2, 8, 8, 4)):
        for block in range(1, blocks + 1):
            name = f"_basic_block_{stage}{block}"
            x = x + layer(layer(x, f"{name}._conv1"), f"{name}._conv2")
        if stage < 4:
            x = layer(x, f"_downsample_{stage}", 2)
    return x.mean(axis=(2, 3)) @ tensors["_out.weight"] + tensors["_out.bias"]
