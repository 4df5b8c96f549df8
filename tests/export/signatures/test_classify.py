"""The graph must see the same pixels as the preprocessing that the evaluation ran on."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.signatures.classify import classify, decode_images, top_labels
from keras_nets.preprocess import RESAMPLES, Recipe, preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = ((375, 500), (500, 375), (256, 256), (97, 401), (1200, 30), (1, 1), (301, 299))


def recipe_of(resample, crop=64, short=73):
    return Recipe(crop=crop, short=short, mean=MEAN, std=STD, resample=resample)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encode(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def grey_levels(a, b):
    return np.abs(a - b) * np.float32(STD) * 255


@pytest.mark.parametrize("resample", sorted(set(RESAMPLES.values())))
@pytest.mark.parametrize("size", SIZES)
def test_the_graph_is_within_one_grey_level_of_the_preprocessing(resample, size):
    recipe = recipe_of(resample)
    picture = encode(noise(*size))
    got = decode_images(tf.constant([picture]), recipe).numpy()[0]
    worst = grey_levels(got, preprocess(picture, recipe)).max()
    # OpenCV's whole numbers leave no room; float sums may round the other way.
    assert worst <= (1e-3 if resample == "opencv" else 1.001)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_every_kind_of_png_decodes_as_the_preprocessing_decodes_it(mode):
    file = io.BytesIO()
    Image.fromarray(noise(80, 90)).convert(mode).save(file, "PNG")
    recipe = recipe_of("opencv")
    got = decode_images(tf.constant([file.getvalue()]), recipe).numpy()[0]
    assert grey_levels(got, preprocess(file.getvalue(), recipe)).max() < 1e-3


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 60, "progressive": True}])
def test_jpeg_decodes_as_the_preprocessing_decodes_it(options):
    smooth = np.asarray(Image.fromarray(noise(12, 16)).resize((320, 240), Image.Resampling.BICUBIC))
    picture, recipe = encode(smooth, "JPEG", **options), recipe_of("opencv")
    got = decode_images(tf.constant([picture]), recipe).numpy()[0]
    assert grey_levels(got, preprocess(picture, recipe)).max() <= 1.001


def test_pictures_of_different_sizes_share_a_batch_and_keep_their_order():
    recipe = recipe_of("opencv")
    pictures = [encode(noise(*size, seed)) for seed, size in enumerate(SIZES)]
    together = decode_images(tf.constant(pictures), recipe).numpy()
    assert together.shape == (len(SIZES), 64, 64, 3)
    for picture, got in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(got, decode_images(tf.constant([picture]), recipe).numpy()[0])


def test_a_resampling_that_nobody_knows_is_refused():
    class Recipe:
        resample = "lanczos"

    with pytest.raises(ValueError, match="lanczos"):
        decode_images(tf.constant([b""]), Recipe)


def test_the_likeliest_classes_come_first_by_name():
    logits = tf.constant([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0, -3.0], [9.0, 0, 0, 0, 0, 0, 0]])
    top = top_labels(logits, list("abcdefg"))
    assert top["labels"].numpy()[0].tolist() == [b"b", b"d", b"c", b"a", b"e"]
    assert top["labels"].numpy()[1, 0] == b"a"
    softmax = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(top["probabilities"][0], np.sort(softmax)[::-1][:5], rtol=1e-6)


def test_fewer_classes_than_five_are_all_named():
    assert top_labels(tf.zeros((2, 3)), list("abc"))["labels"].shape == (2, 3)


def test_labels_that_do_not_name_each_class_are_refused():
    with pytest.raises(ValueError, match="Received: 2"):
        top_labels(tf.zeros((1, 3)), ["a", "b"])


def test_both_halves_trace_to_a_graph_that_needs_nothing_else():
    recipe = recipe_of("opencv", crop=8, short=9)
    decoder = tf.function(lambda encoded: decode_images(encoded, recipe)).get_concrete_function(
        tf.TensorSpec((None,), tf.string, name="encoded")
    )
    definition = decoder.graph.as_graph_def()
    assert not decoder.captured_inputs
    picture = encode(noise(20, 30))
    with tf.Graph().as_default():
        name = decoder.outputs[0].name
        (images,) = tf.graph_util.import_graph_def(definition, return_elements=[name], name="")
        with tf.compat.v1.Session() as session:
            got = session.run(images, {"encoded:0": [picture] * 3})
    want = decode_images(tf.constant([picture]), recipe).numpy()[0]
    np.testing.assert_allclose(got[2], want, atol=1e-5)  # a graph divides by multiplying


def test_classify_survives_being_saved_and_loaded(tmp_path):
    recipe = recipe_of("opencv", crop=8, short=9)
    kernel = tf.Variable(tf.random.stateless_normal((8 * 8 * 3, 7), (1, 2)))

    def network(image):
        return tf.reshape(image, (-1, 8 * 8 * 3)) @ kernel

    module = tf.Module()
    module.kernel = kernel
    module.classify = classify(network, recipe, list("abcdefg"))
    tf.saved_model.save(module, str(tmp_path), signatures={"classify": module.classify})
    loaded = tf.saved_model.load(str(tmp_path))
    picture = encode(noise(20, 30))
    got = loaded.signatures["classify"](encoded=tf.constant([picture, picture]))
    logits = network(tf.constant(preprocess(picture, recipe)[None])).numpy()[0]
    best = np.argsort(-logits)[:5]
    assert got["labels"].numpy()[1].tolist() == [bytes([ord("a") + i]) for i in best]
    assert got["probabilities"].shape == (2, 5)
