"""SavedModel artifacts, as TensorFlow and its own tools see them."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.core.protobuf import saved_model_pb2

from export.formats.base import Order
from export.formats.savedmodel import SavedModel
from export.skeleton.tracing import trace

ROOT = Path(__file__).parents[4]
NAMES = ("plain", "odd", "shared", "nested", "subclassed")


@pytest.fixture(scope="module")
def plain(written):
    return written("plain", "savedmodel") / "1"


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_holds_the_graph_the_weights_and_nothing_else(plain):
    assert set(hashes(plain)) == {
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }


def test_each_weight_lies_on_the_disk_once(plain, skeleton):
    data = plain / "variables" / "variables.data-00000-of-00001"
    weight_bytes = skeleton("plain").weight_bytes
    assert weight_bytes <= data.stat().st_size < weight_bytes + 3000
    content = data.read_bytes()
    for weight in skeleton("plain").weights:
        assert content.count(weight.read().tobytes()) == 1, weight.name


def test_a_variable_that_only_lies_there_does_not_hide_the_constant_that_is_read(
    written, skeleton, failures, tmp_path
):
    folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "decoy")
    file = folder / "1" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    values = skeleton("plain").weights[-1].read().copy()
    values[0] *= np.float32(1.0001)  # too little for parity
    for function in saved.meta_graphs[0].graph_def.library.function:
        read = [node for node in function.node_def if node.op == "ReadVariableOp"]
        if len(read) == len(skeleton("plain").weights):
            make_constant(function, read[-1], values)
    file.write_bytes(saved.SerializeToString())
    assert "not the model's: " in failures("plain", "savedmodel", folder)["weights"].note


def make_constant(function, node, values):
    node.op = "Const"
    node.ClearField("input")
    node.attr.clear()
    node.attr["dtype"].type = 1
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    for other in function.node_def:
        renamed = [i.replace(f"{node.name}:value:", f"{node.name}:output:") for i in other.input]
        other.input[:] = renamed


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_that_of_the_contract(written, name):
    signature = tf.saved_model.load(written(name, "savedmodel") / "1").signatures
    assert list(signature) == ["serving_default"]
    _, inputs = signature["serving_default"].structured_input_signature
    outputs = signature["serving_default"].structured_outputs
    assert set(inputs) == {"image"}
    assert set(outputs) == {"logits"}
    assert inputs["image"].shape[0] is None
    assert (inputs["image"].dtype, outputs["logits"].dtype) == (tf.float32, tf.float32)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_it_runs_at_any_batch(plain, toy, batch):
    images = np.random.default_rng(batch).standard_normal((batch, 32, 32, 3), np.float32)
    loaded = tf.saved_model.load(plain)
    logits = loaded.signatures["serving_default"](image=tf.constant(images))["logits"]
    wanted = np.asarray(toy("plain")(images, training=False))
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_the_graph_api_of_old_servers_loads_it(plain, toy):
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3), np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(plain))
        signature = meta_graph.signature_def["serving_default"]
        logits = session.run(
            signature.outputs["logits"].name, {signature.inputs["image"].name: images}
        )
    wanted = np.asarray(toy("plain")(images, training=False))
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_loaded_weights_are_variables_that_can_be_read(plain, skeleton):
    loaded = tf.saved_model.load(plain)
    for weight in skeleton("plain").weights:
        np.testing.assert_array_equal(loaded.weights[weight.name].numpy(), weight.read())


@pytest.mark.parametrize("name", NAMES)
def test_no_name_tells_where_or_when_it_was_made(written, name):
    content = (written(name, "savedmodel") / "1" / "saved_model.pb").read_bytes()
    model = saved_model_pb2.SavedModel.FromString(content)
    library = model.meta_graphs[0].graph_def.library
    assert b"_output_shapes" not in content
    assert str(ROOT).encode() not in content
    assert all(int(f.signature.name.rpartition("_")[2]) < 20 for f in library.function)


def test_two_exports_in_one_process_give_the_same_bytes(plain, skeleton, tmp_path):
    SavedModel().write(
        Order(skeleton=skeleton("plain"), folder=tmp_path / "again", scratch=tmp_path)
    )
    assert hashes(tmp_path / "again" / "1") == hashes(plain)


ANOTHER_PROCESS = """
import pathlib, runpy, sys
sys.path[:0] = [sys.argv[1]]
toys = runpy.run_path(sys.argv[1] + "/tests/conftest.py")
from export.formats import FORMATS
from export.formats.base import Order
folder = pathlib.Path(sys.argv[2])
toys["skeleton"]("odd")  # so that TensorFlow's counters stand elsewhere
for format in ("savedmodel", "onnx"):
    (folder / format).mkdir()
    plain = toys["skeleton"]("plain")
    FORMATS[format].write(Order(skeleton=plain, folder=folder / format, scratch=folder))
"""


def test_functions_that_keras_compiled_are_written_the_same_every_time(tmp_path, logits_of):
    """Convolutions in groups are such, and run plainly; swish is another."""
    contents = set()
    for number in range(2):
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(4, 3, activation="swish", name="first")(image)
        x = layers.Conv2D(4, 3, groups=2, name="grouped")(x)
        x = layers.Conv2D(8, 3, groups=4, name="another")(x)
        x = layers.GlobalAveragePooling2D(name="mean")(x)
        model = keras.Model(image, layers.Dense(5, name="logits")(x), name="compiled")
        folder = tmp_path / str(number)
        SavedModel().write(Order(skeleton=trace(model), folder=folder, scratch=folder))
        contents.add((folder / "1" / "saved_model.pb").read_bytes())
        images = np.random.default_rng(0).standard_normal((3, 8, 8, 3)).astype(np.float32)
        wanted = np.asarray(model(images, training=False))
        got = logits_of("savedmodel", folder, images)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)
    assert len(contents) == 1


def test_an_export_in_another_process_gives_the_same_bytes(written, tmp_path):
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(ROOT), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for format in ("savedmodel", "onnx"):
        assert hashes(tmp_path / format) == hashes(written("plain", format)), format
