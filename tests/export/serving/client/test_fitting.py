"""Inputs are held against what a server declares, before they are sent."""

import numpy as np
import pytest

from export.contract import Contract, Tensor
from export.serving.client.fitting import contract_of, fit
from export.serving.client.retry import ServerError
from export.serving.savedmodel import Signature
from export.serving.savedmodel import Tensor as Declared

SIGNATURE = Signature(
    {"text": Declared("DT_STRING", (-1, 1)), "size": Declared("DT_UINT8", (-1, 2))},
    {"mood": Declared("DT_HALF", (-1, 3))},
)
CONTRACT = contract_of({"serving_default": SIGNATURE}, "toy")


def test_a_signature_becomes_a_contract():
    inputs = Tensor("text", "string", ("batch", 1)), Tensor("size", "uint8", ("batch", 2))
    assert Contract(inputs, (Tensor("mood", "float16", ("batch", 3)),)) == CONTRACT


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        ({}, "its signatures: none"),
        ({"other": SIGNATURE}, "its signatures: other"),
        ({"serving_default": Signature({}, {})}, "has no signature serving_default with inputs"),
        (
            {"serving_default": Signature({"x": Declared("DT_VARIANT", (-1,))}, SIGNATURE.outputs)},
            "cannot be asked: requests hold",
        ),
        (
            {"serving_default": Signature({"x": Declared("DT_FLOAT", None)}, SIGNATURE.outputs)},
            "`x` has no axes that are known",
        ),
    ],
)  # fmt: skip
def test_a_server_that_declares_nothing_of_use_is_one_line(signatures, message):
    with pytest.raises(ServerError, match=message):
        contract_of(signatures, "toy")


def test_texts_become_bytes_and_numbers_the_type_that_is_declared():
    made = fit({"text": [["é"], [b"b"]], "size": np.array([[1, 2], [3, 255]])}, CONTRACT)
    assert made["text"].tolist() == [["é".encode()], [b"b"]]
    assert (made["size"].dtype, made["size"].tolist()) == (np.uint8, [[1, 2], [3, 255]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [[1, 256]]}, "`size` uint8 .batch, 2.. Received: int64"),
        ({"size": [[1.0, 2.0]]}, "Received: float64"),
        ({"size": [[True, False]]}, "Received: bool"),
        ({"size": [[1, 2, 3]]}, "Received: shape .1, 3."),
        ({"text": [[1]]}, "Received: int"),
        ({"text": [["a"], ["b"]]}, "inputs are as many of each"),
        ({"more": [1]}, "Received: text, size, more"),
    ],
)
def test_what_does_not_fit_is_one_line(change, message):
    with pytest.raises(ValueError, match=message):
        fit({"text": [["a"]], "size": [[1, 2]]} | change, CONTRACT)
