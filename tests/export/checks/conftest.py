"""An honest artifact, as observed, for liars to differ from; numpy alone, no TensorFlow."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from export.checks import Expected, Trial
from export.contract import Contract, Tensor
from export.formats import FORMATS
from export.formats.base import Found
from export.observe.artifact import Observation
from export.observe.base import Float16Loss, Layer, Reference, Totals
from export.observe.plain import Plain
from export.skeleton.pour import digest

GRAPHS = {  # by kind
    "openvino": {"kind": "openvino", "ir": "11", "ops": {"Convolution": 2, "MatMul": 1}},
    "litert": {"kind": "litert", "ops": {"CONV_2D": 2, "FULLY_CONNECTED": 1}},
    "savedmodel": {"kind": "savedmodel", "ops": {"Conv2D": 2, "MatMul": 1}},
    "onnx": {
        "kind": "onnx",
        "ops": {"Conv": 2, "Gemm": 1, "Transpose": 2},
        "opset": 17,
        "checker": "",
    },
    "tftrt": {
        "kind": "tftrt",
        "engines": 1,
        "cached_engines": 3,
        "static": False,
        "outside": {},
        "outside_nodes": [],
        "casts": 0,
        "batch": "implicit",
        "profile": [""],
        "macs": {},
        "takes": [[[-1, 4, 4, 3]]],
        "gives": [[[-1, 5]]],
        "ops": {"Conv2D": 2},
    },
}
PAIR = {"tensor": "conv", "zero": 0, "like": ["conv"]}
UNSIGNED = {"pairs": [PAIR | {"scale": 1.0, "type": "uint8"}]}
SIGNED = {"pairs": [PAIR | {"scale": float(np.float32(255 / 127)), "type": "int8"}]}
SHIFTED = {"pairs": [PAIR | {"scale": 1.0, "zero": -128, "type": "int8"}]}


def _by_name(changes: dict) -> dict:
    """Changes to a reference: its `logits` are the only output."""
    outputs = {"outputs": {"logits": changes["logits"]}} if "logits" in changes else {}
    return {key: value for key, value in changes.items() if key != "logits"} | outputs


def _declared(seen: Observation, changes: dict) -> dict:
    """The same of an observation, whose `inputs` and `outputs` are those that it declares."""
    sides = {side: changes.pop(side) for side in ("inputs", "outputs") if side in changes}
    return {**_by_name(changes), "contract": replace(seen.contract, **sides)}


@pytest.fixture
def honest():
    """A function from the name of a format to the Trial of an artifact that is as it should be.

    `graph`, `observation`, `reference` and `trial` are changes to each of these. The `logits` of
    the second and third are their only output.
    """

    def make(format="savedmodel", *, graph=None, observation=None, reference=None, **trial):
        kind, precision = FORMATS[format].kind, FORMATS[format].precision
        pairs = SIGNED if getattr(FORMATS[format], "symmetric", False) else UNSIGNED
        pairs = SHIFTED if kind == "litert" else pairs
        random = np.random.default_rng(0)
        logits = random.standard_normal((8, 5)).astype(np.float32)
        weights = tuple(
            Found(name, shape, digest(random.standard_normal(shape)))
            for name, shape in (("conv/kernel", (3, 3, 3, 8)), ("conv/bias", (8,)), ("fc", (9, 5)))
        )
        wanted = Reference(
            name="toy",
            contract=Contract.of_classifier((4, 4, 3), 5),
            totals=Totals(100, 120, 90),
            sha256="0" * 64,
            weights=weights,
            float16=tuple(
                Float16Loss(w.name, 2.0, 0.0, 0.0, values=prod(w.shape)) for w in weights
            ),
            inputs={"image": random.standard_normal((8, 4, 4, 3)).astype(np.float32)},
            outputs={"logits": logits},
            layers=(Layer("conv", 10.0), Layer("logits", 3.0)),
        )
        seen = Observation(
            contract=Contract(
                (Tensor("image", "float32", ("batch", 4, 4, 3)),),
                (Tensor("logits", "float32", (None, 5)),),
            ),
            weights=weights,
            graph=GRAPHS[kind] | {"precision": [precision.upper()]} | pairs | (graph or {}),
            outputs={"logits": logits.copy()},
            ran="numpy",
        )
        plain = (
            Plain({"logits": logits}, {"logits": logits.copy()}) if FORMATS[format].rounds else None
        )
        return Trial(
            **{
                "plain": plain,
                "calibration": {"ranges": {"conv": [0.0, 255.0]}},
                "format": FORMATS[format],
                "reference": replace(wanted, **_by_name(reference or {})),
                "observation": replace(seen, **_declared(seen, dict(observation or {}))),
                "expected": Expected(100, 120, 90, "a paper"),
                **trial,
            }
        )

    return make
