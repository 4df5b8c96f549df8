"""The content of a report.json, with everything that a page can show.

Checks, the gate and the report make it themselves, so that no name in it can differ from theirs.
"""

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import bound
from export.checks.distribution import distribution
from export.checks.fp16_range import fp16_range
from export.contract import Contract
from export.formats import FORMATS
from export.gate import divergence, power
from export.gate.divergence import Divergence, LayerError
from export.gate.power import Mutant, Power
from export.observe.base import Float16Loss, Layer, Reference, Totals
from export.observe.noise import LayerNoise, Noise
from export.pictures import Shown, side_by_side
from export.report.file import as_dict
from export.results import REORDERED, Cost, Report, skipped, verdict

NOISE = Noise(1.25e-5, 2e-3, 3e-2)
MUTANTS = (
    Mutant("classes reversed", 4.1, ("parity", "weights")),
    Mutant("one bias off by 1 %", 3.1e-3, ("parity",)),
    Mutant("6-bit weights", 2e-2),
    Mutant("wrong epsilon", 0.0, (), "no batch-norm here"),
)


def content(model="vgg13", format="onnx", *, parity=3.8e-6, passed=True, size=532_178_432):
    """A report whose parity measured `parity`; `passed` false fails that check."""
    command = ("python", "tools/export.py", "--model", model, "--format", format)
    checks = (
        verdict("params", True, 133_047_848, 133_047_848, "parameters", "total 133,047,848"),
        verdict("weights", True, 0, 0, "tensors", "26 tensors, each found once by its hash"),
        verdict("contract", True, 0, 0, "differences", "ran in batches of 1, 3, 4"),
        _parity(parity, passed),
        skipped("engine", "needs a GPU; run tools/verify.py on a machine that has one"),
        ranges(),
    )
    return as_dict(
        Report(
            model=model,
            format=format,
            checks=checks,
            weights={"source": "seeded:0", "sha256": "3d7b" * 16},
            artifact={"bytes": size, "files": {"model.onnx": "ca27" * 16}},
            options={"classes": 1000, "image": [224, 224, 3], "flavour": "paddle", "seed": 0},
            cost=Cost(21.4, 30.1, 1_900_000_000),
            environment={"keras-nets": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0"},
            command=command,
            warnings=("random weights: for trying only",),
            created="2026-11-20T08:30:00+00:00",
        )
    )


def plain():
    """A report as the first version of the toolkit wrote it: no check has details."""
    told = content()
    for check in told["checks"]:
        check.pop("details", None)
    return told


def _parity(worst: float, passed: bool):
    limit = bound(NOISE, REORDERED)
    layers = tuple(
        LayerError(f"conv{stage}_{conv}", f"conv{stage}_{conv}/BiasAdd:0", worst * stage / 5, 1e-4)
        for stage in range(1, 6)
        for conv in (1, 2)
    )
    details = {
        "errors": distribution(np.geomspace(worst / 1e5, worst, 8000) if worst else np.zeros(8000)),
        **limit.details,
        **divergence.as_details(Divergence(layers)),
        **power.as_details(Power(MUTANTS)),
        "pictures": _pictures(),
    }
    note = "top-1 equal on 8 of 8"
    return verdict("parity", passed, worst, limit.allowed, "std", note, details)


def _pictures():
    """Two pictures that the model and the artifact take for the same, and one that they do not."""
    dice = np.random.default_rng(0)
    images = np.sort(dice.random((3, 32, 32, 3)), axis=1).astype(np.float32)
    logits = dice.standard_normal((3, 5)) * 4
    other = np.concatenate([logits[:2], -logits[2:]])
    labels = ("tench", "goldfish", "great white shark", "tiger shark", "hammerhead")
    return side_by_side(images, logits, other, Shown(("a.jpg", "b.jpg", "<i>c.jpg"), labels))


def ranges(*largest: float, error: float = 2e-3):
    """What the check `fp16-range` says of layers of such `largest` values; twelve if none given."""
    largest = largest or tuple(0.5 + index % 7 for index in range(12))
    names = [f"conv{index}" for index in range(len(largest))]
    noise = tuple(LayerNoise(name, 1e-6, error, 15 * error) for name in names)
    network = Reference(
        name="toy",
        contract=Contract.of_classifier((4, 4, 3), 5),
        totals=Totals(100, 120, 90),
        sha256="0" * 64,
        weights=(),
        float16=tuple(
            Float16Loss(f"{name}/kernel", 2.0, 1e-3 * i, 1e-4 * i, values=9)
            for i, name in enumerate(names)
        ),
        inputs={"image": np.zeros((1, 4, 4, 3))},
        outputs={"logits": np.zeros((1, 5))},
        layers=tuple(Layer(name, value) for name, value in zip(names, largest, strict=True)),
        noise=Noise(NOISE.fp32, error, 15 * error, noise),
    )
    return fp16_range(
        Trial(format=FORMATS["tftrt-fp16"], reference=network, observation=None, expected=None)
    )
