"""The graphs against PaddleClas and torchvision themselves, layer by layer, mistakes included.

The frameworks ran once, on weights and images drawn from seeds; tests/golden/graphs has what they
computed. A graph that is wrong somewhere is told by its first layer that differs.
"""

import gc
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest
from framework_files import (
    golden_images,
    golden_logits,
    golden_tensors,
    write_golden_pth,
    write_pdparams,
)

from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled, load_weights
from keras_nets.weights.names import tensor_names

GOLDEN = Path(__file__).parents[1] / "golden" / "graphs"
TOLERANCE = 1e-4  # of the largest value
GRAPHS = (("squeezenet1_0", "paddle"), ("squeezenet1_0", "torchvision"), ("vgg11", "paddle"))
IDS = ["-".join(graph) for graph in GRAPHS]
# Layers without weights, as PaddleClas calls them: a pool that is used again gets a number.
POOLS = {
    "squeezenet1_0": {"_pool": "pool1", "_pool#2": "pool4", "_pool#3": "pool8"},
    "vgg11": {f"conv_block_{stage}.max_pool": f"pool{stage}" for stage in range(1, 6)},
}


def worst(got, want) -> float:
    """The largest error, in largest values."""
    return float(np.abs(got - want).max() / np.abs(want).max())


class Golden:
    """One network with the framework's weights, its images, and what the framework computed."""

    def __init__(self, net: str, flavour: str, folder: Path):
        write = write_pdparams if flavour == "paddle" else write_golden_pth
        file = write(folder / "weights", golden_tensors(net, flavour))
        gc.collect()
        self.net, self.flavour = net, flavour
        self.model = load_weights(net, file)
        file.unlink()
        self.images = golden_images(net, flavour)
        self.want = golden_logits(net, flavour)
        with np.load(GOLDEN / f"{net}.{flavour}.npz") as saved:
            self.kept = dict(saved)

    def logits(self, images=None) -> np.ndarray:
        return self.model.predict_on_batch(self.images if images is None else images)

    def taps(self) -> dict[str, tuple[str, np.ndarray]]:
        """Our layer -> the framework's name and its spatial means, in the framework's order."""
        named = tensor_names(NETS[self.net], self.flavour, self.flavour).items()
        ours = {theirs.rpartition(".")[0]: weight.partition("/")[0] for weight, theirs in named}
        ours |= POOLS[self.net] | {"_avg_pool": "logits"}
        order = [str(entry).partition(" ")[0] for entry in self.kept["taps_order"]]
        return {ours[name]: (name, self.kept[f"taps/{name}"]) for name in order}


@pytest.fixture(scope="module")
def goldens(tmp_path_factory):
    """The golden networks, each made on first use."""
    made = {}

    def get(graph) -> Golden:
        if graph not in made:
            made[graph] = Golden(*graph, tmp_path_factory.mktemp("golden"))
        return made[graph]

    return get


def means_before_relu(model, images, names) -> dict[str, np.ndarray]:
    """Spatial means (batch, channels) of what each layer computes before its activation."""
    wanted = {name: model.get_layer(name).input for name in names}
    inputs, found = keras.Model(model.input, wanted)(images), {}
    for name, x in inputs.items():
        layer = model.get_layer(name)
        with linear(layer):
            y = keras.ops.convert_to_numpy(layer(x))
        found[name] = y.mean(axis=tuple(range(1, y.ndim - 1)), dtype=np.float64)
    return found


@contextmanager
def linear(layer):
    """Take a layer's activation off for a while."""
    activation = getattr(layer, "activation", None)
    if activation is not None:
        layer.activation = keras.activations.linear
    try:
        yield
    finally:
        if activation is not None:
            layer.activation = activation


@contextmanager
def changed(model, changes):
    """Change weights for a while: {(layer, variable): function of its values}."""
    before = {}
    for (name, kind), change in changes.items():
        variable = getattr(model.get_layer(name), kind)
        before[variable.path] = variable, keras.ops.convert_to_numpy(variable).copy()
        variable.assign(change(before[variable.path][1]))
    try:
        yield
    finally:
        for variable, values in before.values():
            variable.assign(values)


def wrong_layers(golden: Golden) -> list[str]:
    taps = golden.taps()
    got = means_before_relu(golden.model, golden.images, taps)
    return [
        f"{ours} ({theirs}) is off by {worst(got[ours], want):.2g}"
        for ours, (theirs, want) in taps.items()
        if not worst(got[ours], want) <= TOLERANCE
    ]


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_the_logits_are_those_of_the_framework(goldens, graph):
    golden = goldens(graph)
    assert worst(golden.logits(), golden.want) <= TOLERANCE


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_every_layer_computes_what_the_frameworks_layer_did(goldens, graph):
    assert wrong_layers(goldens(graph)) == []


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_every_layer_with_weights_is_compared(goldens, graph):
    golden = goldens(graph)
    weighed = {layer.name for layer in golden.model.layers if hasattr(layer, "kernel")}
    assert weighed <= set(golden.taps())


@pytest.mark.parametrize("graph", [graph for graph in GRAPHS if graph[1] == "paddle"])
def test_every_layer_has_the_shape_it_had_in_the_framework(goldens, graph):
    golden = goldens(graph)
    ours = {theirs: name for name, (theirs, _) in golden.taps().items()}
    for entry in golden.kept["taps_order"]:
        theirs, _, shape = str(entry).partition(" ")
        batch, channels, *grid = (int(size) for size in shape.strip("[]").split(","))
        got = tuple(golden.model.get_layer(ours[theirs]).output.shape)
        if theirs == "_avg_pool":
            grid = []  # a grid of 1x1 there, none here
        assert batch == 2 and got == (None, *grid, channels), theirs


def test_a_wrong_layer_is_the_first_to_be_named(goldens):
    golden = goldens(("squeezenet1_0", "paddle"))
    swap = {("fire5_expand1", "bias"): lambda bias: bias[::-1]}
    with changed(golden.model, swap):
        wrong = wrong_layers(golden)
    assert wrong[0].startswith("fire5_expand1 (_conv4._conv_path1._conv)")
    assert not any("fire4" in line or "pool4" in line for line in wrong)


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_no_mistake_is_small_enough_to_pass_for_rounding(goldens, graph):
    golden = goldens(graph)
    logits = golden.logits()
    mistakes = {name: kept for name, kept in golden.kept.items() if name.startswith("mistake/")}
    assert len(mistakes) >= 6
    for name, kept in mistakes.items():
        assert worst(kept, golden.want) > 100 * TOLERANCE, name
        assert worst(logits, kept) > 100 * TOLERANCE, name


@pytest.mark.parametrize("graph", GRAPHS, ids=IDS)
def test_colours_in_the_wrong_order_give_the_frameworks_wrong_logits(goldens, graph):
    golden = goldens(graph)
    logits = golden.logits(np.ascontiguousarray(golden.images[..., ::-1]))
    assert worst(logits, golden.kept["mistake/input_bgr"]) <= TOLERANCE


@pytest.mark.parametrize(
    ("flavour", "other", "mistake"),
    [
        ("paddle", "torchvision", "maxpool_ceil_mode"),
        ("torchvision", "paddle", "maxpool_floor_mode"),
    ],
)
def test_the_flavours_of_squeezenet_differ_in_how_they_round_pooled_sizes(
    goldens, flavour, other, mistake
):
    golden = goldens(("squeezenet1_0", flavour))
    wrong = build_unfilled(NETS["squeezenet1_0"], flavour=other)
    wrong.set_weights(golden.model.get_weights())
    logits = wrong.predict_on_batch(golden.images)
    assert worst(logits, golden.kept[f"mistake/{mistake}"]) <= TOLERANCE


@pytest.mark.parametrize("flavour", ["paddle", "torchvision"])
def test_transposed_kernels_give_the_frameworks_wrong_logits(goldens, flavour):
    golden = goldens(("squeezenet1_0", flavour))
    names = [layer.name for layer in golden.model.layers if hasattr(layer, "kernel")]
    swaps = {(name, "kernel"): lambda kernel: kernel.swapaxes(0, 1) for name in names}
    with changed(golden.model, swaps):
        logits = golden.logits()
    assert worst(logits, golden.kept["mistake/kernels_h_w_swapped"]) <= TOLERANCE


@pytest.mark.parametrize("flavour", ["paddle", "torchvision"])
def test_a_head_without_its_relu_gives_the_frameworks_wrong_logits(goldens, flavour):
    golden = goldens(("squeezenet1_0", flavour))
    head = means_before_relu(golden.model, golden.images, ["conv10"])["conv10"]
    assert worst(head, golden.kept["mistake/head_relu_missing"]) <= TOLERANCE


@pytest.mark.parametrize(
    ("graph", "halved"),
    [(GRAPHS[0], ("conv10",)), (GRAPHS[2], ("fc7", "logits"))],
    ids=[IDS[0], IDS[2]],
)
def test_dropout_that_scales_at_inference_is_in_the_kernels_and_not_in_the_biases(
    goldens, graph, halved
):
    golden = goldens(graph)
    doubled = {(name, "kernel"): lambda kernel: 2 * kernel for name in halved}
    with changed(golden.model, doubled):
        logits = golden.logits()
    assert worst(logits, golden.kept["mistake/dropout_identity_at_inference"]) <= TOLERANCE
    with changed(golden.model, {(name, "bias"): lambda bias: bias / 2 for name in halved}):
        logits = golden.logits()
    assert worst(logits, golden.kept["mistake/dropout_factor_on_bias_too"]) <= TOLERANCE


def test_what_torchvision_has_for_a_head_is_halved_nowhere(goldens):
    golden = goldens(("squeezenet1_0", "torchvision"))
    with changed(golden.model, {("conv10", "kernel"): lambda kernel: kernel / 2}):
        logits = golden.logits()
    assert worst(logits, golden.kept["mistake/dropout_factor_half_as_in_paddle"]) <= TOLERANCE
