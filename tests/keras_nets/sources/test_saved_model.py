"""`--model saved_model_dir`: its signature and variables, and nothing that loading would run."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import export_model
from export.process import in_this_process
from keras_nets import sources
from keras_nets.errors import SourceError

IMAGES = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A Keras model, and the folder that Keras exported it to."""
    image = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x), name="small")
    folder = tmp_path_factory.mktemp("saved") / "small_net"
    model.export(folder, verbose=False)
    return model, folder


class Module(tf.Module):
    """Variables that all have one name, one of them read twice, and one that is gathered of."""

    def __init__(self):
        draws = np.random.default_rng(1)
        self.table = tf.Variable(draws.normal(size=(5, 3)), dtype=tf.float32, name="w")
        self.more = tf.Variable(draws.normal(size=(3, 3)), dtype=tf.float32, name="w")
        self.unused = tf.Variable(draws.normal(size=(2,)), dtype=tf.float32, name="w")

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="ids")])
    def serve(self, ids):
        found = tf.gather(self.table, ids)
        return {"found": found, "turned": tf.matmul(tf.matmul(found, self.more), self.more)}


def saved(folder, function, **signatures):
    """Save a function of tensors as a SavedModel."""
    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(folder), signatures=signatures or function)
    return folder


def refusal(folder, **options) -> str:
    with pytest.raises(SourceError) as caught:
        sources.load(str(folder), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_keras_exported_computes_what_the_model_computes(exported):
    model, folder = exported
    loaded = sources.load(str(folder))
    np.testing.assert_array_equal(np.asarray(loaded.model(IMAGES)), np.asarray(model(IMAGES)))
    assert loaded.model.input.shape == (None, 8, 8, 3) and loaded.model.name == "small_net"
    shapes = [sorted(tuple(w.shape) for w in one.weights) for one in (loaded.model, model)]
    assert shapes[0] == shapes[1]
    assert loaded.source.kind == "savedmodel" and loaded.weights == str(folder)


def test_its_weights_are_variables_that_count(exported):
    model = sources.load(str(exported[1])).model
    before = np.asarray(model(IMAGES))
    for weight in model.weights:
        weight.assign(weight + 1)
    assert not np.any(np.asarray(model(IMAGES)) == before)


def test_variables_of_one_name_are_told_apart_by_their_places(tmp_path):
    module = Module()
    tf.saved_model.save(module, str(tmp_path / "module"))
    model = sources.load(str(tmp_path / "module")).model
    assert sorted(weight.path for weight in model.weights) == [
        "saved_model/more",
        "saved_model/table",
    ]
    ids = np.array([4, 0, 2], np.int32)
    expected, found = module.serve(ids), model(ids)
    for name in ("found", "turned"):
        np.testing.assert_allclose(np.asarray(found[name]), expected[name], atol=1e-6)


def test_the_newest_version_is_taken_and_the_name_of_the_folder_above_it(exported, tmp_path):
    for version in ("2", "10"):
        shutil.copytree(exported[1], tmp_path / "net" / version)
    (tmp_path / "net" / "2" / "saved_model.pb").write_bytes(b"damaged")
    assert sources.load(str(tmp_path / "net")).model.name == "net"


def test_one_that_has_changed_is_told(exported, tmp_path):
    folder = shutil.copytree(exported[1], tmp_path / "net")
    source = sources.load(str(folder)).source
    assert sources.rebuild(source).model.output_shape == (None, 3)
    (data,) = (folder / "variables").glob("*.data*")
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(SourceError, match="has changed since the export"):
        sources.rebuild(source)


def written(folder):
    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    def writes(x):
        tf.io.write_file(str(folder / "written"), "text")
        return x

    return writes


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (lambda x: tf.numpy_function(lambda y: y, [x], tf.float32), "PyFunc"),
        (lambda x: x + tf.random.uniform((1,)), "RandomUniform"),
        (lambda x: x + tf.strings.to_number(tf.io.read_file("number")), "ReadFile"),
    ],
)
def test_an_operation_that_does_not_only_compute_is_refused_by_its_name(tmp_path, body, operation):
    function = tf.function(body, input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    line = refusal(saved(tmp_path / "net", function))
    assert f"holds the operation {operation} (" in line or f"operation Eager{operation} (" in line


def test_a_function_compiled_within_another_is_read_as_any_other(tmp_path):
    class Grouped(tf.Module):
        def __init__(self):
            self.kernel = tf.Variable(np.float32([[1, 2], [3, 4]]))

        @tf.function(jit_compile=True)
        def compiled(self, x, kernel):
            return x @ kernel

        @tf.function
        def called(self, x):
            return self.compiled(x, self.kernel)

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32)])
        def __call__(self, x):
            return self.called(x) + 1

    module = Grouped()
    tf.saved_model.save(module, tmp_path / "net", signatures=module.__call__)
    model = sources.load(str(tmp_path / "net")).model
    np.testing.assert_array_equal(np.asarray(model(np.float32([[1, 1]]))), [[5, 7]])


def test_a_function_that_cannot_be_inlined_is_refused_by_its_name(tmp_path):
    # Keras 2 marks its recurrent layers so, and TensorFlow never inlines them.
    @tf.function(experimental_attributes={"api_implements": "lstm", "api_preferred_device": "CPU"})
    def recurrent(x):
        return x * 2

    function = tf.function(recurrent, input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    line = refusal(saved(tmp_path / "net", function))
    assert "calls a function that cannot be inlined (" in line and "name the Keras model" in line


def test_what_the_outputs_do_not_need_does_not_run(tmp_path):
    folder = saved(tmp_path / "net", written(tmp_path))
    (tmp_path / "written").unlink(missing_ok=True)
    model = sources.load(str(folder)).model
    np.testing.assert_array_equal(np.asarray(model(np.ones((1, 2)))), [[1, 1]])
    assert not (tmp_path / "written").exists()


def test_a_folder_that_is_none_is_told(tmp_path):
    assert "is a folder without saved_model.pb; name a SavedModel" in refusal(tmp_path)
    for content in (b"", b"text", b"\xff" * 1000):
        (tmp_path / "saved_model.pb").write_bytes(content)
        assert str(tmp_path) in refusal(tmp_path)


def test_a_signature_and_variables_that_are_missing_are_told(exported, tmp_path):
    function = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    line = refusal(saved(tmp_path / "other", function, encode=function))
    assert "has no signature 'serving_default'" in line and "'encode'" in line
    folder = shutil.copytree(exported[1], tmp_path / "net")
    (data,) = (folder / "variables").glob("*.data*")
    data.write_bytes(data.read_bytes()[:10])
    assert str(folder) in refusal(folder)
    shutil.rmtree(folder / "variables")
    assert "lacks the variable" in refusal(folder)


def test_a_folder_takes_no_arguments(exported):
    assert "takes no --model-arg; leave x out" in refusal(exported[1], arguments={"x": 1})


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_batch_norms_within_it_are_no_fault_of_an_artifact(tmp_path, format):
    """Its layers are unseen, so nothing is folded; Keras 2 has such operations."""
    draws = np.random.default_rng(0)
    kernel = tf.Variable(draws.normal(size=(3, 3, 3, 4)), dtype=tf.float32)
    scale, offset, mean, variance = (
        tf.Variable(draws.uniform(0.5, 1.5, 4), dtype=tf.float32) for _ in range(4)
    )

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")])
    def network(image):
        x = tf.nn.conv2d(image, kernel, 1, "SAME")
        norm = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=mean, variance=variance, is_training=False
        )
        return {"pooled": tf.reduce_mean(norm.y, [1, 2])}

    module = tf.Module()
    module.held, module.network = [kernel, scale, offset, mean, variance], network
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=network)
    model = sources.load(str(tmp_path / "net")).model
    with in_this_process():
        (report,) = export_model(model, [format], tmp_path / "out")
    assert report.passed, [check.note for check in report.checks]
    (graph,) = (check for check in report.checks if check.name == "graph")
    assert graph.status.value == "passed"
