"""Parameters and multiplications, counted from each graph, against the published figures.

The figures are written out here from PaddleClas, torchvision and the model page, not taken from
the catalog, which is held against them too.
"""

import math
from collections import Counter

import keras
import pytest

from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled

GRAPHS = [(net.name, flavour) for net in NETS.values() for flavour in net.flavours]
IDS = ["-".join(graph) for graph in GRAPHS]

# conv and fc kernels, their biases, batch-norm gamma and beta, moving mean and variance
DARKNET = (41_573_216, 1_000, 35_712, 35_712)
COUNTS = {
    ("alexnet", "paddle"): (61_090_496, 10_344, 0, 0),
    ("alexnet", "torchvision"): (61_090_496, 10_344, 0, 0),
    ("squeezenet1_0", "paddle"): (1_244_448, 3_976, 0, 0),
    ("squeezenet1_0", "torchvision"): (1_244_448, 3_976, 0, 0),
    ("squeezenet1_1", "paddle"): (1_231_552, 3_944, 0, 0),
    ("squeezenet1_1", "torchvision"): (1_231_552, 3_944, 0, 0),
    ("vgg11", "paddle"): (132_851_392, 9_192, 0, 0),
    ("vgg11", "torchvision"): (132_851_392, 9_192 + 2_752, 0, 0),
    ("vgg13", "paddle"): (133_035_712, 9_192, 0, 0),
    ("vgg13", "torchvision"): (133_035_712, 9_192 + 2_944, 0, 0),
    ("vgg16", "paddle"): (138_344_128, 9_192, 0, 0),
    ("vgg16", "torchvision"): (138_344_128, 9_192 + 4_224, 0, 0),
    ("vgg19", "paddle"): (143_652_544, 9_192, 0, 0),
    ("vgg19", "torchvision"): (143_652_544, 9_192 + 5_504, 0, 0),
    ("darknet53", "paddle"): DARKNET,
    ("darknet53", "darknet"): DARKNET,
}
# What torchvision's own models count, and what PaddleClas' state dictionaries hold.
TOTALS = {
    ("alexnet", "torchvision"): 61_100_840,
    ("squeezenet1_0", "torchvision"): 1_248_424,
    ("squeezenet1_1", "torchvision"): 1_235_496,
    ("vgg11", "torchvision"): 132_863_336,
    ("vgg13", "torchvision"): 133_047_848,
    ("vgg16", "torchvision"): 138_357_544,
    ("vgg19", "torchvision"): 143_667_240,
    ("alexnet", "paddle"): 61_100_840,
    ("squeezenet1_0", "paddle"): 1_248_424,
    ("squeezenet1_1", "paddle"): 1_235_496,
    ("vgg11", "paddle"): 132_860_584,
    ("vgg13", "paddle"): 133_044_904,
    ("vgg16", "paddle"): 138_353_320,
    ("vgg19", "paddle"): 143_661_736,
    ("darknet53", "paddle"): 41_645_640,
}
# Multiply-accumulates of convolutions and of dense layers, where the flavours differ by flavour.
MACS = {
    "alexnet": (655_566_528, 58_621_952),
    ("squeezenet1_0", "paddle"): (777_221_152, 0),
    ("squeezenet1_0", "torchvision"): (818_924_576, 0),
    ("squeezenet1_1", "paddle"): (349_537_280, 0),
    ("squeezenet1_1", "torchvision"): (349_151_936, 0),
    "vgg11": (7_485_456_384, 123_633_664),
    "vgg13": (11_184_832_512, 123_633_664),
    "vgg16": (15_346_630_656, 123_633_664),
    "vgg19": (19_508_428_800, 123_633_664),
    "darknet53": (9_284_091_904, 1_024_000),
}
# The page: top-1, top-5, FLOPs in G, parameters in M.
PAGE = {
    "alexnet": (0.567, 0.792, 1.37, "61.09"),
    "squeezenet1_0": (0.596, 0.817, 1.55, "1.24"),
    "squeezenet1_1": (0.601, 0.819, 0.69, "1.23"),
    "vgg11": (0.693, 0.891, 15.09, "132.85"),
    "vgg13": (0.700, 0.894, 22.48, "133.03"),
    "vgg16": (0.720, 0.907, 30.81, "138.34"),
    "vgg19": (0.726, 0.909, 39.13, "143.65"),
    "darknet53": (0.780, 0.941, 18.58, "41.60"),
}


def kinds(model) -> tuple[int, int, int, int]:
    """Numbers of kernel, bias, scale and statistics values, counted from the graph."""
    found = Counter()
    for layer in model.layers:
        for variable in layer.weights:
            if variable.dtype == "float32":
                found[variable.name] += math.prod(variable.shape)
    known = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
    kernel, bias, gamma, beta, mean, variance = (found.pop(name, 0) for name in known)
    assert not found, f"variables of unknown kinds: {dict(found)}"
    return kernel, bias, gamma + beta, mean + variance


def macs(model) -> tuple[int, int]:
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    conv = sum(math.prod((*c.kernel.shape, *c.output.shape[1:3])) for c in convs)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return conv, sum(math.prod(layer.kernel.shape) for layer in dense)


def expected_macs(name, flavour) -> tuple[int, int]:
    return MACS.get(name) or MACS[name, flavour]


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_graph_has_exactly_the_published_parameters(graphs, graph):
    assert kinds(graphs[graph]) == COUNTS[graph]
    if graph in TOTALS:
        assert sum(COUNTS[graph]) == TOTALS[graph]


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_catalog_lists_exactly_the_published_parameters(graph):
    name, flavour = graph
    counts = NETS[name].counts[flavour]
    assert (counts.weights, counts.biases, counts.scales, counts.statistics) == COUNTS[graph]
    assert counts.total == sum(COUNTS[graph])
    assert counts.trainable == sum(COUNTS[graph][:3])


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_keras_itself_counts_the_same_parameters(graphs, graph):
    model, counts = graphs[graph], NETS[graph[0]].counts[graph[1]]
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == counts.trainable


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_graph_multiplies_exactly_as_often_as_published(graphs, graph):
    name, flavour = graph
    assert macs(graphs[graph]) == expected_macs(*graph)
    listed = NETS[name].macs[flavour]
    assert (listed.conv, listed.dense) == expected_macs(*graph)


@pytest.mark.parametrize("name", NETS)
def test_the_catalog_repeats_the_page(name):
    page = NETS[name].page
    top1, top5, flops, params = PAGE[name]
    assert (page.top1, page.top5, page.flops_g) == (top1, top5, flops)
    assert f"{page.params_m:.2f}" == params


@pytest.mark.parametrize("name", NETS)
def test_the_pages_parameters_are_ours_truncated(graphs, name):
    weights, _, scales, _ = kinds(graphs[name, "paddle"])
    assert weights + scales == NETS[name].counts["paddle"].page
    hundredths = (weights + scales) // 10_000
    assert f"{hundredths // 100}.{hundredths % 100:02}" == PAGE[name][3]


@pytest.mark.parametrize("name", NETS)
def test_the_pages_flops_are_two_per_convolution_mac_and_one_per_dense_mac(graphs, name):
    conv, dense = macs(graphs[name, "paddle"])
    assert abs((2 * conv + dense) / 1e9 - PAGE[name][2]) < 0.015


@pytest.mark.parametrize(
    ("name", "flavour", "classes", "image"),
    [
        ("alexnet", "paddle", 7, (63, 63, 3)),
        ("alexnet", "torchvision", 1000, (227, 131, 3)),
        ("squeezenet1_0", "paddle", 2, (300, 35, 3)),
        ("squeezenet1_0", "torchvision", 1001, (96, 100, 3)),
        ("squeezenet1_1", "paddle", 1, (64, 64, 3)),
        ("vgg11", "paddle", 10, (32, 32, 3)),
        ("vgg13", "torchvision", 10, (95, 33, 3)),
        ("vgg16", "paddle", 21_841, (64, 64, 3)),
        ("vgg19", "torchvision", 1000, (192, 256, 3)),
        ("darknet53", "darknet", 5, (100, 416, 3)),
    ],
)
def test_counts_at_other_options_are_those_of_the_graph(name, flavour, classes, image):
    net = NETS[name]
    model = build_unfilled(net, flavour=flavour, classes=classes, image=image)
    counts = net.expected_counts(flavour, classes, image)
    assert kinds(model) == (counts.weights, counts.biases, counts.scales, counts.statistics)
    assert model.input_shape == (None, *image) and model.output_shape == (None, classes)
