"""The contract: names, types, shapes, a free batch, and that the artifact ran."""

import numpy as np
import pytest

from export.checks.contract import contract
from export.contract import Tensor
from export.results import Status

IMAGE = Tensor("image", "float32", ("batch", 4, 4, 3))
LOGITS = Tensor("logits", "float32", (None, 5))


def tensor(good, **changes):
    return Tensor(**{**vars(good), **changes})


LIARS = [
    ({"inputs": (tensor(IMAGE, name="input_1"),)}, "input input_1 instead of image"),
    ({"inputs": ()}, "input none instead of image"),
    ({"inputs": (IMAGE, tensor(IMAGE, name="mask"))}, "input image, mask instead of image"),
    ({"outputs": (tensor(LOGITS, name="output_0"),)}, "output output_0 instead of logits"),
    ({"outputs": (LOGITS, LOGITS)}, "output logits, logits instead of logits"),
    ({"outputs": ()}, "output none instead of logits"),
    ({"inputs": (tensor(IMAGE, dtype="float16"),)}, "image is float16 instead of float32"),
    ({"outputs": (tensor(LOGITS, dtype="float64"),)}, "logits is float64 instead of float32"),
    ({"inputs": (tensor(IMAGE, shape=("batch", 3, 4, 4)),)}, "image is (3, 4, 4) instead of"),
    ({"inputs": (tensor(IMAGE, shape=("batch", None, None, 3)),)}, "image is (None, None, 3)"),
    ({"outputs": (tensor(LOGITS, shape=(None, 6)),)}, "logits is (6,) instead of (5,)"),
    ({"outputs": (tensor(LOGITS, shape=(None,)),)}, "logits is () instead of (5,)"),
    ({"outputs": (tensor(LOGITS, shape=()),)}, "logits is () instead of (5,)"),
    ({"inputs": (tensor(IMAGE, shape=(1, 4, 4, 3)),)}, "image has a fixed batch of 1"),
    ({"inputs": (tensor(IMAGE, shape=(0, 4, 4, 3)),)}, "image has a fixed batch of 0"),
    ({"inputs": (tensor(IMAGE, shape=("N", 4, 4, 3)),)}, "image has a fixed batch of N"),
    ({"outputs": (tensor(LOGITS, shape=(8, 5)),)}, "logits has a fixed batch of 8"),
    ({"logits": np.zeros((8, 4), np.float32)}, "logits of shape (8, 4) instead of (8, 5)"),
    ({"logits": np.zeros((1, 5), np.float32)}, "logits of shape (1, 5) instead of (8, 5)"),
    ({"error": "InvalidGraph: no such op"}, "InvalidGraph: no such op"),
]


@pytest.mark.parametrize(("observed", "note"), LIARS)
def test_an_artifact_that_breaks_the_contract_fails_and_says_how(honest, observed, note):
    check = contract(honest(observation=observed))
    assert (check.status, check.measured, check.allowed) == (Status.FAILED, 1, 0)
    assert note in check.note


def test_every_breach_is_counted(honest):
    bad = tensor(IMAGE, dtype="float16", shape=(1, 5, 5, 3))
    check = contract(honest(observation={"inputs": (bad,), "outputs": ()}))
    assert check.measured == 4


@pytest.mark.parametrize("batch", [None, "batch"])
def test_a_free_batch_may_have_a_name(honest, batch):
    free = (tensor(IMAGE, shape=(batch, 4, 4, 3)),)
    check = contract(honest(observation={"inputs": free}))
    assert check.status is Status.PASSED
    assert check.note == "ran in batches of 1, 3, 4: numpy"
