"""The shape, names, padding and activations of each graph, written out here from the papers."""

import itertools
import math

import keras
import pytest

from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled

GRAPHS = [(net.name, flavour) for net in NETS.values() for flavour in net.flavours]
IDS = ["-".join(graph) for graph in GRAPHS]

CONVS = {
    "alexnet": 5,
    "squeezenet1_0": 26,
    "squeezenet1_1": 26,
    "vgg11": 8,
    "vgg13": 10,
    "vgg16": 13,
    "vgg19": 16,
    "darknet53": 52,
}
# stage -> width, grid, residual blocks
DARKNET_STAGES = {
    1: (64, 128, 1),
    2: (128, 64, 2),
    3: (256, 32, 8),
    4: (512, 16, 8),
    5: (1024, 8, 4),
}
# The smallest side at which no layer comes out empty.
SMALLEST = {
    ("alexnet", "paddle"): 63,
    ("alexnet", "torchvision"): 63,
    ("squeezenet1_0", "paddle"): 35,
    ("squeezenet1_0", "torchvision"): 21,
    ("squeezenet1_1", "paddle"): 29,
    ("squeezenet1_1", "torchvision"): 17,
    **{(f"vgg{depth}", f): 32 for depth in (11, 13, 16, 19) for f in ("paddle", "torchvision")},
    ("darknet53", "paddle"): 1,
    ("darknet53", "darknet"): 1,
}


def convs(model) -> list:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def alexnet_stages(flavour):
    yield from (("conv1", 55, 64), ("pool1", 27, 64), ("conv2", 27, 192), ("pool2", 13, 192))
    yield from (("conv3", 13, 384), ("conv4", 13, 256), ("conv5", 13, 256), ("pool5", 6, 256))
    yield from (("flatten", None, 9216), ("fc6", None, 4096), ("fc7", None, 4096))


def squeezenet1_0_stages(flavour):
    second, third = {"paddle": (26, 12), "torchvision": (27, 13)}[flavour]
    yield from (("conv1", 109, 96), ("pool1", 54, 96), ("fire2_concat", 54, 128))
    yield from (("fire3_concat", 54, 128), ("fire4_concat", 54, 256), ("pool4", second, 256))
    yield from (("fire5_concat", second, 256), ("fire6_concat", second, 384))
    yield from (("fire7_concat", second, 384), ("fire8_concat", second, 512))
    yield from (("pool8", third, 512), ("fire9_concat", third, 512), ("conv10", third, 1000))


def squeezenet1_1_stages(flavour):
    yield "conv1", {"paddle": 112, "torchvision": 111}[flavour], 64
    yield from (("pool1", 55, 64), ("fire2_concat", 55, 128), ("fire3_concat", 55, 128))
    yield from (("pool3", 27, 128), ("fire4_concat", 27, 256), ("fire5_concat", 27, 256))
    yield from (("pool5", 13, 256), ("fire6_concat", 13, 384), ("fire7_concat", 13, 384))
    yield from (("fire8_concat", 13, 512), ("fire9_concat", 13, 512), ("conv10", 13, 1000))


def vgg_stages(depths):
    for stage, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True)):
        for index in range(depth):
            yield f"conv{stage + 1}_{index + 1}", 224 >> stage, width
        yield f"pool{stage + 1}", 112 >> stage, width
    yield from (("flatten", None, 25_088), ("fc6", None, 4096), ("fc7", None, 4096))


def darknet53_stages(flavour):
    yield "conv1", 256, 32
    for stage, (width, grid, blocks) in DARKNET_STAGES.items():
        yield f"stage{stage}_down", grid, width
        for block in range(1, blocks + 1):
            yield f"stage{stage}_{block}_conv1", grid, width // 2
            yield f"stage{stage}_{block}_conv2", grid, width
            yield f"stage{stage}_{block}_add", grid, width
    yield "pool", None, 1024


STAGES = {
    "alexnet": alexnet_stages,
    "squeezenet1_0": squeezenet1_0_stages,
    "squeezenet1_1": squeezenet1_1_stages,
    "vgg11": lambda flavour: vgg_stages((1, 1, 2, 2, 2)),
    "vgg13": lambda flavour: vgg_stages((2, 2, 2, 2, 2)),
    "vgg16": lambda flavour: vgg_stages((2, 2, 3, 3, 3)),
    "vgg19": lambda flavour: vgg_stages((2, 2, 4, 4, 4)),
    "darknet53": darknet53_stages,
}


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_every_stage_has_its_published_shape(graphs, graph):
    name, flavour = graph
    stages = [*STAGES[name](flavour), ("logits", None, 1000)]
    got = [(stage, tuple(graphs[graph].get_layer(stage).output.shape)) for stage, _, _ in stages]
    want = [(s, (None, grid, grid, c) if grid else (None, c)) for s, grid, c in stages]
    assert got == want


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_every_convolution_is_there(graphs, graph):
    assert len(convs(graphs[graph])) == CONVS[graph[0]]
    assert all(conv.groups == 1 and conv.dilation_rate == (1, 1) for conv in convs(graphs[graph]))


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_contract_of_input_and_output_holds(graphs, graph):
    model = graphs[graph]
    assert [tensor.name for tensor in model.inputs] == ["image"]
    assert model.output_names == ["logits"]
    assert model.name == graph[0]
    assert model.input_shape == (None, *NETS[graph[0]].image)
    assert model.output_shape == (None, 1000)
    assert {model.inputs[0].dtype, model.outputs[0].dtype} == {"float32"}


@pytest.mark.parametrize("name", NETS)
def test_layer_names_are_given_and_not_counted_by_keras(graphs, name):
    # Keras counts unnamed layers through the whole process, so two flavours would differ in them.
    first, second = ({layer.name for layer in graphs[name, f].layers} for f in NETS[name].flavours)
    assert all(odd.endswith("_pad") for odd in first ^ second)
    assert len(first & second) > CONVS[name]


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_variables_are_called_by_layer_and_kind(graphs, graph):
    model = graphs[graph]
    paths = [v.path for layer in model.layers for v in layer.weights]
    assert len(set(paths)) == len(paths)
    assert all(
        v.path == f"{layer.name}/{v.name}"
        for layer in model.layers
        for v in layer.weights
        if v.dtype == "float32"
    )


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_convolutions_have_biases_in_the_flavours_that_have_them(graphs, graph):
    name, flavour = graph
    biased = not (name == "darknet53" or (name.startswith("vgg") and flavour == "paddle"))
    assert {conv.use_bias for conv in convs(graphs[graph])} == {biased}


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_strided_convolutions_pad_alike_on_every_side(graphs, graph):
    name, flavour = graph
    strided = [conv for conv in convs(graphs[graph]) if conv.strides != (1, 1)]
    assert len(strided) == {"darknet53": 5}.get(name, 0 if name.startswith("vgg") else 1)
    pads = {"alexnet": 2, "darknet53": 1, "squeezenet1_1": 1 if flavour == "paddle" else 0}
    for conv in strided:
        before = conv.input._keras_history.operation
        pad = pads.get(name, 0)
        assert conv.padding == "valid", conv.name
        if pad:
            assert before.padding == ((pad, pad), (pad, pad)), conv.name
        else:
            assert isinstance(before, keras.layers.InputLayer), conv.name


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_network_ends_in_logits_and_not_in_probabilities(graphs, graph):
    head = graphs[graph].get_layer("logits")
    if graph[0].startswith("squeezenet"):
        assert isinstance(head, keras.layers.GlobalAveragePooling2D)
        assert graphs[graph].get_layer("conv10").activation is keras.activations.relu
    else:
        assert head.activation is keras.activations.linear
    assert not any(isinstance(layer, keras.layers.Softmax) for layer in graphs[graph].layers)


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_everything_below_the_logits_is_rectified(graphs, graph):
    name, flavour = graph
    if name == "darknet53":
        kind = keras.layers.LeakyReLU if flavour == "darknet" else keras.layers.ReLU
        acts = [layer for layer in graphs[graph].layers if layer.name.endswith("_act")]
        assert [type(act) for act in acts] == [kind] * 52
        assert [float(a.negative_slope) for a in acts] == [0.1 if flavour == "darknet" else 0] * 52
        assert {conv.activation for conv in convs(graphs[graph])} == {keras.activations.linear}
    else:
        acts = [layer.activation for layer in graphs[graph].layers if hasattr(layer, "kernel")]
        heads = 0 if name.startswith("squeezenet") else 1
        assert acts.count(keras.activations.relu) == len(acts) - heads


def test_batch_norm_is_as_in_the_framework_that_trained_it(graphs):
    for flavour in NETS["darknet53"].flavours:
        layers = graphs["darknet53", flavour].layers
        norms = [n for n in layers if isinstance(n, keras.layers.BatchNormalization)]
        assert len(norms) == 52
        assert {(n.epsilon, n.momentum, n.center, n.scale) for n in norms} == {
            (1e-5, 0.9, True, True)
        }


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_dropout_stands_where_the_network_was_trained_with_it(graphs, graph):
    drops = [d.name for d in graphs[graph].layers if isinstance(d, keras.layers.Dropout)]
    want = {"squeezenet1_0": ["drop9"], "squeezenet1_1": ["drop9"], "darknet53": []}
    assert drops == want.get(graph[0], ["drop6", "drop7"])


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_smallest_image_leaves_no_layer_empty_and_a_smaller_one_is_refused(graph):
    (name, flavour), side = graph, SMALLEST[graph]
    assert NETS[name].smallest[flavour] == side
    model = build_unfilled(NETS[name], flavour=flavour, image=(side, side, 3), classes=2)
    assert all(min(layer.output.shape[1:]) > 0 for layer in model.layers)
    for image in ((side - 1, 224, 3), (224, side - 1, 3)):
        with pytest.raises(ValueError) as caught:
            NETS[name].build(flavour=flavour, image=image)
        message = str(caught.value)
        assert "\n" not in message
        assert f"{name} takes images of at least {side}x{side} pixels" in message
        assert str(image) in message


@pytest.mark.parametrize("graph", [g for g in GRAPHS if g[0] != "darknet53"])
def test_the_smallest_image_is_the_smallest_that_keras_can_build(monkeypatch, graph):
    # Without our own check, Keras itself refuses the next smaller one: the bound is no guess.
    name, flavour = graph
    monkeypatch.setattr(
        f"keras_nets.{NETS[name].family}.image_input",
        lambda net, image, smallest: keras.Input(image, name="image"),
    )
    side = SMALLEST[graph]
    build_unfilled(NETS[name], flavour=flavour, image=(side, side, 3), classes=2)
    with pytest.raises(ValueError):
        build_unfilled(NETS[name], flavour=flavour, image=(side - 1, side - 1, 3), classes=2)


@pytest.mark.parametrize("image", [(224, 224), (1, 224, 224, 3), (224, 224, 0), (None, None, 3)])
@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "vgg11", "darknet53"])
def test_an_image_that_is_none_is_refused(name, image):
    with pytest.raises(ValueError, match=rf"{name} takes an image of \(height, ") as caught:
        NETS[name].build(image=image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NETS)
def test_an_unknown_flavour_lists_the_known_ones(name):
    net = NETS[name]
    with pytest.raises(ValueError) as caught:
        net.build(flavour="caffe")
    wanted = f"{name} has no flavour 'caffe'; it comes as {', '.join(net.flavours)}"
    assert str(caught.value) == wanted


def test_an_option_that_no_builder_has_is_refused():
    for name in NETS:
        with pytest.raises(TypeError, match="include_top"):
            NETS[name].build(include_top=False)


def test_ceil_mode_pooling_covers_every_pixel_of_grids_even_and_odd():
    from keras_nets.squeezenet import _pool_rounding_up

    for height, width in itertools.product(range(2, 9), repeat=2):
        image = keras.Input((height, width, 1))
        model = keras.Model(image, _pool_rounding_up(image, "pool"))
        pixels = keras.ops.reshape(keras.ops.arange(1.0, height * width + 1), (1, height, width, 1))
        got = keras.ops.convert_to_numpy(model(pixels))[0, :, :, 0]
        rows = [min(2 * row + 2, height - 1) for row in range(math.ceil((height - 3) / 2) + 1)]
        columns = [min(2 * c + 2, width - 1) for c in range(math.ceil((width - 3) / 2) + 1)]
        want = [[row * width + column + 1 for column in columns] for row in rows]
        assert got.tolist() == want, (height, width)
