"""A graph with `classify` joined to it answers both signatures, through the same network."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from toy_artifact import CLASSES, IMAGE, LABELS, ToyRecipe, toy_kernel, toy_logits

from export.serving.savedmodel import read_ops, read_signatures
from export.serving.warmup import sample_png
from export.signatures.attach import attach_classify
from keras_nets.preprocess import preprocess


def flat_model():
    """A SavedModel whose graph is the network itself, as the exporter of TF-TRT writes it."""
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, *IMAGE), name="image")
        rows = tf.reshape(image, (-1, len(toy_kernel(0))))
        tf.identity(rows @ tf.constant(toy_kernel(0)), name="logits")
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.meta_info_def.stripped_op_list.op.add(name="MatMul")
    meta.graph_def.CopyFrom(graph.as_graph_def())
    signature = meta.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for infos, name, shape in (
        (signature.inputs, "image", (-1, *IMAGE)),
        (signature.outputs, "logits", (-1, CLASSES)),
    ):
        infos[name].name, infos[name].dtype = f"{name}:0", 1
        for side in shape:
            infos[name].tensor_shape.dim.add(size=side)
    return model


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    model = flat_model()
    attach_classify(model.meta_graphs[0], ToyRecipe(), LABELS)
    folder = tmp_path_factory.mktemp("version")
    (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))
    return folder


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


@pytest.mark.parametrize("batch", [1, 3])
def test_the_first_signature_is_what_it_was(loaded, batch):
    images = np.random.default_rng(0).standard_normal((batch, *IMAGE)).astype(np.float32)
    got = loaded.signatures["serving_default"](image=tf.constant(images))
    assert set(got) == {"logits"}
    np.testing.assert_allclose(got["logits"], toy_logits(images), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_encoded_pictures_go_through_the_same_network(loaded, batch):
    pictures = [sample_png(20 + n, 30) for n in range(batch)]
    got = loaded.signatures["classify"](encoded=tf.constant(pictures))
    images = np.stack([preprocess(picture, ToyRecipe()) for picture in pictures])
    best = np.argsort(-toy_logits(images), axis=-1)[:, :5]
    assert got["labels"].numpy().tolist() == [[LABELS[i].encode() for i in row] for row in best]
    assert got["probabilities"].shape == (batch, 5)


def test_a_session_runs_both_as_tf_serving_does(version):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(version))
        signature = meta.signature_def["classify"]
        feed = {signature.inputs["encoded"].name: [sample_png()]}
        fetch = [signature.outputs[key].name for key in ("labels", "probabilities")]
        labels, probabilities = session.run(fetch, feed)
        logits = session.run("logits:0", {"image:0": preprocess(sample_png(), ToyRecipe())[None]})
    assert labels[0, 0].decode() == LABELS[logits[0].argmax()]
    wanted = np.exp(logits).max() / np.exp(logits).sum()
    np.testing.assert_allclose(probabilities[0, 0], wanted, rtol=1e-5)


def test_the_signatures_are_read_back_with_names_and_shapes(version):
    signature = read_signatures(version / "saved_model.pb")["classify"]
    assert signature.inputs["encoded"].dtype == "DT_STRING"
    assert signature.inputs["encoded"].shape == (-1,)
    assert {key: tensor.shape for key, tensor in signature.outputs.items()} == {
        "labels": (-1, 5),
        "probabilities": (-1, 5),
    }
    assert "PlaceholderWithDefault" in read_ops(version / "saved_model.pb")


def test_everything_but_the_network_stays_on_the_processor(version):
    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    own = [node for node in graph.node if node.name.startswith("classify/")]
    own += [node for function in graph.library.function for node in function.node_def]
    assert {node.device for node in own} == {"/device:CPU:0"}
    assert {node.device for node in graph.node if not node.name.startswith("classify/")} == {""}


def test_the_same_graph_gives_the_same_bytes(version):
    model = flat_model()
    attach_classify(model.meta_graphs[0], ToyRecipe(), LABELS)
    again = model.SerializeToString(deterministic=True)
    assert again == (version / "saved_model.pb").read_bytes()


def test_a_recipe_of_another_size_and_labels_of_other_classes_are_refused():
    with pytest.raises(ValueError, match="crops 16 pixels"):
        attach_classify(flat_model().meta_graphs[0], ToyRecipe(crop=16, short=18), LABELS)
    with pytest.raises(ValueError, match="Received: 2"):
        attach_classify(flat_model().meta_graphs[0], ToyRecipe(), LABELS[:2])


def test_an_input_that_is_no_placeholder_is_refused():
    model = flat_model()
    attach_classify(model.meta_graphs[0], ToyRecipe(), LABELS)
    with pytest.raises(ValueError, match="PlaceholderWithDefault, not a placeholder"):
        attach_classify(model.meta_graphs[0], ToyRecipe(), LABELS)
