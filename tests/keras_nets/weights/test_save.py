"""Keras' own files, and those that save_weights writes, come back as the same model."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_nets import (
    NETS,
    WeightsError,
    identify_weights,
    load_weights,
    save_weights,
    seed_weights,
)
from keras_nets.weights import ENDINGS
from keras_nets.weights.load import build_unfilled, targets
from keras_nets.weights.names import BY_ORDER, OURS, tensor_names
from keras_nets.weights.readers import open_weights


@pytest.fixture(scope="module", params=["paddle", "torchvision"])
def seeded(request):
    """A seeded SqueezeNet 1.1 of 10 classes, and its flavour."""
    model = NETS["squeezenet1_1"].build(classes=10, flavour=request.param)
    return seed_weights(model, 3), request.param


def same_weights(got, want) -> None:
    assert [w.path for w in got.weights] == [w.path for w in want.weights]
    for ours, theirs in zip(got.weights, want.weights, strict=True):
        if "seed" not in ours.path:
            assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path


@pytest.mark.parametrize("kind", ENDINGS)
def test_what_is_saved_is_loaded_in_its_flavour(tmp_path, seeded, kind):
    model, flavour = seeded
    path = tmp_path / f"w{ENDINGS[kind]}"
    save_weights(model, path, kind, flavour=flavour)
    identity = identify_weights("squeezenet1_1", path, digest=True)
    assert (identity.flavour, identity.classes, len(identity.sha256)) == (flavour, 10, 64)
    same_weights(load_weights("squeezenet1_1", path), model)
    assert list(tmp_path.iterdir()) == [path]


def test_keras_and_numpy_and_safetensors_read_what_is_saved(tmp_path, seeded):
    model, flavour = seeded
    for kind, ending in ENDINGS.items():
        save_weights(model, tmp_path / f"w{ending}", kind, flavour=flavour)
    fresh = NETS["squeezenet1_1"].build(classes=10, flavour=flavour)
    fresh.load_weights(tmp_path / "w.weights.h5")
    same_weights(fresh, model)
    kernel = model.get_layer("fire5_expand3").kernel.numpy()
    with np.load(tmp_path / "w.npz") as arrays:
        assert np.array_equal(arrays["fire5_expand3/kernel"], kernel)
    from safetensors import numpy as reference

    tensors = reference.load_file(tmp_path / "w.safetensors")
    assert np.array_equal(tensors["fire5_expand3/kernel"], kernel)
    assert len(tensors) == 52


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_files_that_keras_wrote_by_itself_tell_their_flavour_by_their_layers(
    tmp_path, seeded, ending
):
    model, flavour = seeded
    path = tmp_path / f"w{ending}"
    model.save(path) if ending == ".keras" else model.save_weights(path)
    identity = identify_weights("squeezenet1_1", path)
    assert identity.flavour == flavour
    assert identity.kind == {".keras": "keras", ".weights.h5": "keras-h5"}[ending]
    same_weights(load_weights("squeezenet1_1", path), model)


def test_a_model_is_read_without_its_optimizer(tmp_path):
    model = seed_weights(NETS["squeezenet1_0"].build(classes=4, image=(64, 64, 3)), 1)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "w.keras")
    same_weights(load_weights("squeezenet1_0", tmp_path / "w.keras", image=(64, 64, 3)), model)


def test_files_of_a_keras_that_named_no_layers_are_matched_by_order(tmp_path, seeded):
    model, flavour = seeded
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, found: found.attrs.pop("name", None) and None)
    identity = identify_weights("squeezenet1_1", path)
    assert (identity.naming, identity.flavour) == (BY_ORDER, flavour)
    same_weights(load_weights("squeezenet1_1", path), model)


@pytest.mark.parametrize("net", NETS)
def test_the_order_of_layers_is_that_of_the_model(net):
    for flavour in NETS[net].flavours:
        model = build_unfilled(NETS[net], flavour=flavour)
        assert [t.name for t in targets(model)] == list(tensor_names(NETS[net], flavour, OURS))


@pytest.mark.slow
@pytest.mark.parametrize("net", ["darknet53", "alexnet", "vgg11"])
def test_other_families_are_matched_by_order_too(tmp_path, net):
    flavour = NETS[net].flavours[1]
    image = {"alexnet": (63, 63, 3), "vgg11": (32, 32, 3), "darknet53": (32, 32, 3)}[net]
    model = build_unfilled(NETS[net], flavour=flavour, image=image, classes=3)
    for index, weight in enumerate(model.weights):
        if "seed" not in weight.path:
            weight.assign(np.full(weight.shape, index, np.float32))
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, found: found.attrs.pop("name", None) and None)
    assert identify_weights(net, path).naming == BY_ORDER
    same_weights(load_weights(net, path, image=image), model)


def test_a_lambda_in_a_keras_file_stays_shut(tmp_path, seeded):
    # The configuration is not even parsed: here it is no JSON.
    model, flavour = seeded
    model.save(tmp_path / "w.keras")
    with zipfile.ZipFile(tmp_path / "w.keras") as archive:
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        archive.writestr("config.json", "this would have been run")
        archive.writestr("model.weights.h5", weights)
    same_weights(load_weights("squeezenet1_1", tmp_path / "evil.keras"), model)


def test_a_keras_file_zipped_anew_with_compression_says_what_to_do(tmp_path, seeded):
    model, _ = seeded
    model.save(tmp_path / "w.keras")
    with zipfile.ZipFile(tmp_path / "w.keras") as archive:
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile(tmp_path / "c.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", weights)
    with pytest.raises(WeightsError, match="is compressed; save it anew with Keras"):
        load_weights("squeezenet1_1", tmp_path / "c.keras")


def test_weights_written_for_another_network_are_refused_by_name(tmp_path, seeded):
    model, flavour = seeded
    path = tmp_path / "w.safetensors"
    save_weights(model, path, "safetensors", flavour=flavour)
    with pytest.raises(WeightsError, match="holds weights of 'squeezenet1_1', not of 'vgg11'"):
        identify_weights("vgg11", path)


def test_a_flavour_in_metadata_must_be_one_of_the_networks(tmp_path, seeded):
    model, _ = seeded
    path = tmp_path / "w.safetensors"
    save_weights(model, path, "safetensors", flavour="darknet")
    assert identify_weights("squeezenet1_1", path).flavour == "paddle"


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_write_that_fails_leaves_what_was_there(tmp_path, seeded, kind, monkeypatch):
    model, flavour = seeded
    path = tmp_path / f"w{ENDINGS[kind]}"
    path.write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras.ops.convert_to_numpy", full)
    monkeypatch.setattr("keras.Model.save_weights", full)
    with pytest.raises(WeightsError, match="cannot be written: No space left on device"):
        save_weights(model, path, kind, flavour=flavour)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_with_another_ending_or_in_no_folder_is_refused(tmp_path, seeded):
    model, flavour = seeded
    with pytest.raises(WeightsError, match="should end in .weights.h5"):
        save_weights(model, tmp_path / "w.h5", "keras", flavour=flavour)
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(model, tmp_path / "absent" / "w.npz", "npz", flavour=flavour)
    with pytest.raises(ValueError, match="no kind is called 'onnx'; known are keras"):
        save_weights(model, tmp_path / "w.onnx", "onnx", flavour=flavour)


def test_what_keras_wrote_is_listed_with_all_layers(tmp_path, seeded):
    model, flavour = seeded
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
        file.attrs["keras_nets"] = json.dumps({"flavour": "x", "net": "squeezenet1_1"})
    with open_weights(tmp_path / "w.weights.h5") as file:
        assert file.metadata["flavour"] == "x"
        names = {name for _, _, name in file.metadata["layers"]}
    assert {layer.name for layer in model.layers} == names - {None} | {"image"}


@pytest.mark.parametrize("deep", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_a_network_among_the_layers_of_another_is_read(tmp_path, seeded, ending, deep):
    model, flavour = seeded
    outer = keras.Sequential([keras.Input((224, 224, 3)), keras.layers.Rescaling(1 / 255), model])
    if deep:
        outer = keras.Sequential([keras.Input((224, 224, 3)), outer, keras.layers.Softmax()])
    path = tmp_path / f"w{ending}"
    outer.save(path) if ending == ".keras" else outer.save_weights(path)
    identity = identify_weights("squeezenet1_1", path)
    assert (identity.flavour, identity.classes) == (flavour, 10)
    assert identity.prefix.endswith("squeezenet1_1/")
    assert identity.note.startswith(f"taken from {identity.prefix!r}; not read: ")
    assert "rescaling" in identity.note or deep
    same_weights(load_weights("squeezenet1_1", path), model)


def test_a_network_that_is_not_in_it_is_missed_by_name(tmp_path, seeded):
    model, _ = seeded
    outer = keras.Sequential([keras.Input((224, 224, 3)), keras.layers.Rescaling(1 / 255), model])
    outer.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(WeightsError, match="no file of vgg11.* are those of squeezenet"):
        identify_weights("vgg11", tmp_path / "w.weights.h5")
