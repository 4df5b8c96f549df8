"""`classify` of an exported artifact answers with the network's own likeliest classes."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from export.errors import ArtifactError
from export.signatures import CLASSIFY, SIGNATURE
from export.signatures.description import FILE, read_description, write_description
from export.signatures.observed import observe_classify

RECIPE = SimpleNamespace(
    crop=32, short=36, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), resample="opencv"
)
LABELS = ("ant", "bee", "cat", "dog", "eel", "fox")


def predict(images):
    means = images.mean(axis=(1, 2))
    return np.concatenate([means, -means], axis=1).astype(np.float32)


def honest(encoded):
    import tensorflow as tf

    from export.signatures.classify import decode_images, top_labels

    logits = predict(decode_images(tf.constant(encoded), RECIPE).numpy())
    return {name: tensor.numpy() for name, tensor in top_labels(logits, LABELS).items()}


def opened(classify):
    """A session that has the signature `classify`, unless that is None."""

    def run(batch, signature=SIGNATURE):
        if signature == CLASSIFY:
            return classify(list(batch["encoded"]))
        return {"logits": predict(batch["image"])}

    offered = {SIGNATURE} if classify is None else {SIGNATURE, CLASSIFY}
    return SimpleNamespace(predict=run, signatures=offered, inputs=("image",))


def test_an_honest_signature_agrees_with_the_logits(tmp_path):
    write_description(tmp_path, RECIPE, LABELS)
    seen = observe_classify(opened(honest), tmp_path)
    assert seen == {"worst": pytest.approx(0, abs=1e-6), "wrong": 0, "error": ""}


def test_labels_in_another_order_are_counted(tmp_path):
    write_description(tmp_path, RECIPE, LABELS[::-1])
    seen = observe_classify(opened(honest), tmp_path)
    assert seen["wrong"] > 0
    assert seen["worst"] < 1e-6


def test_pictures_in_another_colour_order_change_the_probabilities(tmp_path):
    write_description(tmp_path, RECIPE, LABELS)

    def swapped(encoded):
        made = honest(encoded)
        return {**made, "probabilities": made["probabilities"][:, ::-1]}

    assert observe_classify(opened(swapped), tmp_path)["worst"] > 0.01


def test_outputs_of_another_shape_are_an_error(tmp_path):
    write_description(tmp_path, RECIPE, LABELS)

    def narrow(encoded):
        return {name: array[:, :2] for name, array in honest(encoded).items()}

    assert "classify gives" in observe_classify(opened(narrow), tmp_path)["error"]


def test_a_promise_without_the_signature_is_an_error(tmp_path):
    write_description(tmp_path, RECIPE, LABELS)
    assert observe_classify(opened(None), tmp_path)["error"] == "classify lacks the signature"


def test_a_signature_without_its_description_is_an_error(tmp_path):
    assert str(FILE) in observe_classify(opened(honest), tmp_path)["error"]


def test_classify_is_observed_only_where_an_artifact_has_it(tmp_path):
    assert observe_classify(opened(None), tmp_path) is None


def test_the_description_reads_back(tmp_path):
    write_description(tmp_path, RECIPE, LABELS)
    recipe, labels = read_description(tmp_path)
    assert labels == LABELS
    assert recipe.short == 36
    assert json.loads((tmp_path / FILE).read_text())["recipe"]["resample"] == "opencv"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"recipe": 1, "labels": []}',
        json.dumps({"recipe": vars(RECIPE) | {"short": 10**9}, "labels": ["a"]}).encode(),
        json.dumps({"recipe": vars(RECIPE), "labels": ["a", 1]}).encode(),
    ],
)
def test_a_description_that_is_none_is_refused_in_one_line(tmp_path, content):
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ArtifactError, match="does not describe `classify`; export it again"):
        read_description(tmp_path)


def test_a_description_that_never_ends_is_refused(tmp_path):
    (tmp_path / FILE).parent.mkdir()
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ArtifactError, match="is no regular file"):
        read_description(tmp_path)
