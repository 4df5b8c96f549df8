"""The user's pictures beside each other: which are shown, and what is said of each."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from export.pictures import SIDE, Shown, side_by_side

LABELS = ("tench", "shark", "hen", "owl")
DICE = np.random.default_rng(0)
IMAGES = DICE.standard_normal((6, 224, 224, 3)).astype(np.float32)
LOGITS = DICE.standard_normal((6, 4)).astype(np.float32)


def test_what_differs_comes_first_and_no_more_than_four_are_shown():
    other = LOGITS.copy()
    other[5] = -other[5]
    names = tuple(f"{n}.jpg" for n in range(6))
    shown = side_by_side(IMAGES, LOGITS, other, Shown(names, LABELS))
    assert [entry["name"] for entry in shown] == ["5.jpg", "0.jpg", "1.jpg", "2.jpg"]
    assert shown[0]["model"][0]["label"] == LABELS[int(LOGITS[5].argmax())]
    assert shown[0]["artifact"][0]["label"] == LABELS[int(LOGITS[5].argmin())]


def test_only_the_last_images_are_the_users():
    shown = side_by_side(IMAGES, LOGITS, LOGITS, Shown(("a", "b")))
    assert [entry["name"] for entry in shown] == ["a", "b"]
    assert shown[0]["model"][0]["label"] == f"class {LOGITS[4].argmax()}"


def test_probabilities_are_the_softmax_of_the_logits():
    (entry,) = side_by_side(IMAGES[:1], LOGITS[:1], LOGITS[:1], Shown(("a",)))
    wanted = np.sort(np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum())[::-1][:3]
    assert [g["probability"] for g in entry["model"]] == pytest.approx(wanted, rel=1e-3)
    assert entry["model"][0]["label"] == f"class {LOGITS[0].argmax()}"
    assert entry["model"] == entry["artifact"]


def test_the_thumbnail_is_what_the_network_sees():
    image = np.zeros((1, 8, 8, 3), np.float32) - 2
    image[0, :4] = 3.0
    (entry,) = side_by_side(image, LOGITS[:1], LOGITS[:1], Shown(("a",)))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(entry["png"]))))
    assert pixels.shape == (8, 8, 3)
    assert (pixels[:4] == 255).all() and (pixels[4:] == 0).all()


def test_a_large_picture_becomes_small_and_one_of_many_channels_is_left_out():
    (large,) = side_by_side(IMAGES[:1], LOGITS[:1], LOGITS[:1], Shown(("a",)))
    assert Image.open(io.BytesIO(base64.b64decode(large["png"]))).size == (SIDE, SIDE)
    many = np.zeros((1, 8, 8, 5), np.float32)
    assert side_by_side(many, LOGITS[:1], LOGITS[:1], Shown(("a",)))[0]["png"] == ""
