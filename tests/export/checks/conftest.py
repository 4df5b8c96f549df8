"""An honest artifact, as observed, for liars to differ from; numpy alone, no TensorFlow."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from export.checks import Expected, Trial
from export.formats import FORMATS
from export.formats.base import Found, Tensor
from export.observe.artifact import Observation
from export.observe.base import Float16Loss, Layer, Reference, Totals
from export.observe.plain import Plain
from export.skeleton.pour import digest

GRAPHS = {  # by kind
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
        "outside_first": "",
        "takes": [[[-1, 4, 4, 3]]],
        "gives": [[[-1, 5]]],
        "ops": {"Conv2D": 2},
    },
}
PAIR = {"tensor": "conv", "zero": 0, "like": ["conv"]}
UNSIGNED = {"pairs": [PAIR | {"scale": 1.0, "type": "uint8"}]}
SIGNED = {"pairs": [PAIR | {"scale": float(np.float32(255 / 127)), "type": "int8"}]}


@pytest.fixture
def honest():
    """A function from the name of a format to the Trial of an artifact that is as it should be.

    `graph`, `observation`, `reference` and `trial` are changes to each of these.
    """

    def make(format="savedmodel", *, graph=None, observation=None, reference=None, **trial):
        pairs = SIGNED if getattr(FORMATS[format], "symmetric", False) else UNSIGNED
        kind, precision = FORMATS[format].kind, FORMATS[format].precision
        random = np.random.default_rng(0)
        logits = random.standard_normal((8, 5)).astype(np.float32)
        weights = tuple(
            Found(name, shape, digest(random.standard_normal(shape)))
            for name, shape in (("conv/kernel", (3, 3, 3, 8)), ("conv/bias", (8,)), ("fc", (9, 5)))
        )
        wanted = Reference(
            name="toy",
            image=(4, 4, 3),
            classes=5,
            totals=Totals(100, 120, 90),
            sha256="0" * 64,
            weights=weights,
            float16=tuple(
                Float16Loss(w.name, 2.0, 0.0, 0.0, values=prod(w.shape)) for w in weights
            ),
            images=random.standard_normal((8, 4, 4, 3)).astype(np.float32),
            logits=logits,
            layers=(Layer("conv", 10.0), Layer("logits", 3.0)),
        )
        seen = Observation(
            inputs=(Tensor("image", "float32", ("batch", 4, 4, 3)),),
            outputs=(Tensor("logits", "float32", (None, 5)),),
            weights=weights,
            graph=GRAPHS[kind] | {"precision": [precision.upper()]} | pairs | (graph or {}),
            logits=logits.copy(),
            ran="numpy",
        )
        plain = Plain(logits, logits.copy()) if FORMATS[format].rounds else None
        return Trial(
            **{
                "plain": plain,
                "calibration": {"ranges": {"conv": [0.0, 255.0]}},
                "format": FORMATS[format],
                "reference": replace(wanted, **(reference or {})),
                "observation": replace(seen, **(observation or {})),
                "expected": Expected(100, 120, 90, "a paper"),
                **trial,
            }
        )

    return make
