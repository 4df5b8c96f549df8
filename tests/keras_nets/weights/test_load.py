"""Loaded models answer as the framework that wrote the file; what does not fit changes nothing."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
from framework_files import (
    STATE_DICTS,
    golden_images,
    golden_logits,
    golden_tensors,
    random_tensors,
    write_darknet,
    write_golden_legacy_pth,
    write_golden_pth,
    write_pdparams,
    write_pth,
)
from numpy_nets import evaluate

from keras_nets import (
    NETS,
    WeightsError,
    identify_weights,
    load_weights,
    plan_weights,
    seed_weights,
)
from keras_nets.squeezenet import squeezenet1_0
from keras_nets.weights.names import tensor_names
from keras_nets.weights.readers import open_weights

TOLERANCE = 1e-4  # of the largest logit
SIDES = {"alexnet": (127, 3), "darknet53": (32, None)}  # image, grid before the dense layers
# What the others show as well, in seconds rather than tenths.
SLOW = {(net, flavour) for net in ("vgg13", "vgg16", "vgg19") for flavour in STATE_DICTS}
SLOW |= {("vgg11", "paddle"), ("alexnet", "torchvision"), ("darknet53", "paddle")}
STATES = [(net, flavour) for flavour, nets in STATE_DICTS.items() for net in nets]


def worst(got: np.ndarray, want: np.ndarray) -> float:
    """The largest error, in largest logits."""
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.fixture(scope="module")
def golden_files(tmp_path_factory):
    """(net, flavour, file) for each kind of file of the small golden networks."""
    folder = tmp_path_factory.mktemp("golden")
    paddle = golden_tensors("squeezenet1_0", "paddle")
    torch = golden_tensors("squeezenet1_0", "torchvision")
    return {
        "pdparams 4": ("paddle", write_pdparams(folder / "4.pdparams", paddle)),
        "pdparams 2": ("paddle", write_pdparams(folder / "2.pdparams", paddle, protocol=2)),
        "pth": ("torchvision", write_golden_pth(folder / "zip.pth", torch)),
        "pth-legacy": ("torchvision", write_golden_legacy_pth(folder / "old.pth", torch)),
    }


@pytest.mark.parametrize("given", ["a name", "a model"])
def test_a_loaded_model_carries_the_counts_that_the_catalog_has(golden_files, given):
    flavour, path = golden_files["pth"]
    net = NETS["squeezenet1_0"]
    small = dict(classes=identify_weights(net, path).classes, image=(64, 64, 3))
    model = squeezenet1_0(flavour=flavour, **small) if given == "a model" else net
    loaded = load_weights(model, path, **({} if given == "a model" else {"image": (64, 64, 3)}))
    assert loaded.expected_counts.holds_for(loaded)
    assert loaded.expected_counts.counts.total == loaded.count_params()
    loaded.trainable = False
    assert not loaded.expected_counts.holds_for(loaded)


@pytest.mark.parametrize("kind", ["pdparams 4", "pdparams 2", "pth", "pth-legacy"])
def test_logits_are_those_that_the_framework_computed(golden_files, kind):
    flavour, path = golden_files[kind]
    identity = identify_weights("squeezenet1_0", path)
    assert (identity.kind, identity.flavour) == (kind.split()[0], flavour)
    assert identity.classes == 1000
    model = load_weights("squeezenet1_0", path)
    logits = model.predict_on_batch(golden_images("squeezenet1_0", flavour))
    assert worst(logits, golden_logits("squeezenet1_0", flavour)) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
def test_vgg11_answers_as_paddleclas(tmp_path, protocol):
    path = write_pdparams(tmp_path / "vgg11", golden_tensors("vgg11", "paddle"), protocol)
    logits = load_weights("vgg11", path).predict_on_batch(golden_images("vgg11", "paddle"))
    assert worst(logits, golden_logits("vgg11", "paddle")) <= TOLERANCE


@pytest.mark.parametrize(
    ("net", "flavour"),
    [
        pytest.param(net, flavour, marks=pytest.mark.slow if (net, flavour) in SLOW else ())
        for net, flavour in [*STATES, ("darknet53", "darknet")]
    ],
)
def test_every_network_answers_as_its_framework_would(tmp_path, net, flavour):
    side, grid = SIDES.get(net, (64, 2))
    state = "paddle" if flavour == "darknet" else flavour
    tensors = random_tensors(net, state, grid=grid)
    write = {"paddle": write_pdparams, "torchvision": write_pth, "darknet": write_darknet}
    path = write[flavour](tmp_path / "weights", tensors)
    images = np.random.default_rng(1).standard_normal((2, 3, side, side), np.float32)

    model = load_weights(net, path, image=(side, side, 3))

    want = evaluate(net, flavour, tensors, images)
    assert want.std() > 0.01 * np.abs(want).max() > 0
    assert worst(model.predict_on_batch(images.transpose(0, 2, 3, 1)), want) <= TOLERANCE


@pytest.mark.parametrize(("net", "flavour"), STATES)
def test_the_tables_name_exactly_the_frameworks_tensors_in_its_order(net, flavour):
    published = [name for name, _ in STATE_DICTS[flavour][net]]
    assert list(tensor_names(NETS[net], flavour, flavour).values()) == published


@pytest.fixture(scope="module")
def darknet_tensors():
    return random_tensors("darknet53", "paddle")


@pytest.mark.parametrize("minor", [1, 2])
def test_both_headers_of_darknet_are_read(tmp_path, darknet_tensors, minor):
    path = write_darknet(tmp_path / "w", darknet_tensors, minor=minor)
    assert identify_weights("darknet53", path).classes == 1000
    with open_weights(path) as file:
        for ours, paddle in (
            ("conv1.weights", "_conv1._conv.weight"),
            ("logits.biases", "_out.bias"),
        ):
            assert np.array_equal(file.tensors[ours].read(), darknet_tensors[paddle])


def test_a_darknet_file_cut_at_the_backbone_gets_a_seeded_classifier(tmp_path, darknet_tensors):
    path = write_darknet(tmp_path / "w", darknet_tensors, cut=True)
    assert identify_weights("darknet53", path).classes is None
    with pytest.raises(WeightsError, match="say how many classes"):
        load_weights("darknet53", path)
    classifier = load_weights("darknet53", path, classes=7).get_layer("logits")
    assert classifier.kernel.shape == (1024, 7)
    assert classifier.kernel.numpy().std() > 0.01 and classifier.bias.numpy().std() > 0.01
    placed = {p.target: p.transform for p in plan_weights("darknet53", path, classes=7)}
    assert placed["logits/kernel"] == placed["logits/bias"] == "seeded"


def test_a_variance_below_zero_is_refused(tmp_path, darknet_tensors):
    name = "_basic_block_31._conv1._bn._variance"
    changed = {**darknet_tensors, name: np.full_like(darknet_tensors[name], -1e-3)}
    path = write_pdparams(tmp_path / "w", changed)
    with pytest.raises(WeightsError, match=f"'{name}' holds variances below zero"):
        load_weights("darknet53", path)


@pytest.mark.slow
def test_a_seeded_classifier_is_that_of_seed_0(tmp_path, darknet_tensors):
    path = write_darknet(tmp_path / "w", darknet_tensors, cut=True)
    got = load_weights("darknet53", path, classes=7).get_layer("logits")
    want = seed_weights(NETS["darknet53"].build(classes=7), 0).get_layer("logits")
    assert np.array_equal(got.kernel.numpy(), want.kernel.numpy())
    assert np.array_equal(got.bias.numpy(), want.bias.numpy())


def test_a_plan_tells_what_is_done_to_each_tensor(golden_files):
    _, path = golden_files["pdparams 4"]
    placements = plan_weights("squeezenet1_0", path)
    assert len(placements) == 52
    last = {placement.target: placement for placement in placements}["conv10/kernel"]
    assert (last.source, last.source_shape) == ("_conv9.weight", (1000, 512, 1, 1))
    assert last.shape == (1, 1, 512, 1000)
    assert last.transform == "OIHW to HWIO, halved for the dropout before it"


def small_state(**changes) -> dict:
    """A paddle state dictionary of squeezenet1_1 with 10 classes, with changes."""
    tensors = random_tensors("squeezenet1_1", "paddle")
    tensors["_conv9.weight"], tensors["_conv9.bias"] = (
        tensors["_conv9.weight"][:10],
        tensors["_conv9.bias"][:10],
    )
    return {**tensors, **changes}


@pytest.fixture(scope="module")
def small_model():
    return NETS["squeezenet1_1"].build(classes=10)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"_conv9.weight": np.zeros((11, 512, 1, 1), np.float32)},
            r"'_conv9.weight' has shape \(11, 512, 1, 1\) where squeezenet1_1 takes"
            r" \(10, 512, 1, 1\)",
        ),
        ({"_conv9.bias": np.full(10, np.nan, np.float32)}, "'_conv9.bias' holds values that are"),
        ({"_conv9.bias": np.full(10, 1e300)}, "'_conv9.bias' holds values that are not finite"),
        ({"_conv9.bias": np.zeros(10, np.int64)}, "'_conv9.bias' is int64; weights are floats"),
        ({"_conv10.bias": np.zeros(10, np.float32)}, "it has '_conv10.bias'"),
    ],
)
def test_a_file_that_does_not_fit_leaves_the_model_as_it_was(tmp_path, small_model, changes, told):
    path = write_pdparams(tmp_path / "w.pdparams", small_state(**changes))
    before = [weight.numpy() for weight in small_model.weights]
    with pytest.raises(WeightsError, match=told) as caught:
        load_weights(small_model, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for weight, value in zip(small_model.weights, before, strict=True):
        assert np.array_equal(weight.numpy(), value)


def test_a_given_model_is_filled(tmp_path, small_model):
    state = small_state()
    path = write_pdparams(tmp_path / "w.pdparams", state)
    assert load_weights(small_model, path) is small_model
    want = 0.5 * state["_conv9.weight"].transpose(2, 3, 1, 0)
    assert np.array_equal(small_model.get_layer("conv10").kernel.numpy(), want)


def test_other_classes_than_the_files_are_refused(tmp_path):
    path = write_pdparams(tmp_path / "w.pdparams", small_state())
    assert load_weights("squeezenet1_1", path, classes=10).output_shape == (None, 10)
    with pytest.raises(WeightsError, match="has 10 classes where 12 are asked for") as caught:
        load_weights("squeezenet1_1", path, classes=12)
    shapes = "'_conv9.weight' has shape (10, 512, 1, 1) and not (12, 512, 1, 1)"
    assert f"tensor {shapes}" in str(caught.value)
    for classes in (0, 10**12):
        with pytest.raises(ValueError, match="at least one class and at most 100_000"):
            load_weights("squeezenet1_1", path, classes=classes)


def test_a_file_of_another_network_is_refused_with_the_networks_name(tmp_path):
    path = write_pdparams(tmp_path / "w.pdparams", small_state())
    with pytest.raises(WeightsError, match="its tensors are those of squeezenet1_0 or squeezenet"):
        load_weights("vgg11", path)
    with pytest.raises(WeightsError, match=r"'_conv.weight' has shape .* squeezenet1_0 takes"):
        load_weights("squeezenet1_0", path)


def test_weights_of_another_flavour_are_refused_for_a_model(golden_files):
    _, path = golden_files["pth"]
    model = NETS["squeezenet1_0"].build()
    with pytest.raises(WeightsError, match="build it with flavour='torchvision'"):
        load_weights(model, path)


def test_classes_and_image_of_a_built_model_cannot_be_chosen(golden_files):
    _, path = golden_files["pth"]
    model = NETS["squeezenet1_0"].build(flavour="torchvision")
    for options in ({"classes": 1000}, {"image": (224, 224, 3)}):
        with pytest.raises(ValueError, match="has its classes and its image already"):
            load_weights(model, path, **options)


def test_an_image_of_a_wrong_size_is_an_error_of_the_argument(golden_files):
    _, path = golden_files["pth"]
    with pytest.raises(ValueError, match="takes images of at least") as caught:
        load_weights("squeezenet1_0", path, image=(8, 8, 3))
    assert not isinstance(caught.value, WeightsError)


def test_a_dense_layer_trained_at_another_image_size_is_refused(tmp_path):
    path = write_pdparams(tmp_path / "w", random_tensors("alexnet", "paddle", grid=1))
    told = r"'_fc6.weight' has shape \(256, 4096\) where alexnet takes \(9216, 4096\)"
    with pytest.raises(WeightsError, match=told):
        plan_weights("alexnet", path)
    placed = {p.target: p.shape for p in plan_weights("alexnet", path, image=(63, 63, 3))}
    assert placed["fc6/kernel"] == (256, 4096)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floats_are_converted(tmp_path, dtype):
    state = {name: values.astype(dtype) for name, values in small_state().items()}
    path = write_pdparams(tmp_path / "w.pdparams", state)
    model = load_weights("squeezenet1_1", path)
    want = state["_conv.weight"].astype(np.float32).transpose(2, 3, 1, 0)
    assert np.array_equal(model.get_layer("conv1").kernel.numpy(), want)


def test_wrapped_and_prefixed_and_ordered_dictionaries_are_unwrapped(tmp_path):
    state = OrderedDict((f"module.{name}", values) for name, values in small_state().items())
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps({"epoch": 3, "state_dict": state}, protocol=2))
    assert identify_weights("squeezenet1_1", path).classes == 10


def test_the_weights_of_a_loaded_model_can_be_changed(tmp_path):
    # The variables use memory that the reader filled, which training must be able to write.
    state = small_state()
    path = write_pdparams(tmp_path / "w.pdparams", state)
    bias = load_weights("squeezenet1_1", path).get_layer("conv10").bias
    bias.assign_add(np.ones(10, np.float32))
    assert np.allclose(bias.numpy(), state["_conv9.bias"] + 1)
    assert len(np.unique(load_weights("squeezenet1_1", path).get_layer("conv10").bias)) == 10
