"""Find the first layer whose output the artifact has otherwise than the model."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.checks import Trial
from export.checks.bounds import REORDERED, bound
from export.gate.layers import layer_scopes
from export.process import run_module

UNMEASURED = 1e-3  # standard deviations allowed of a layer whose noise is unknown


@dataclass(frozen=True)
class LayerError:
    """How far the output of one layer is off, in its own standard deviations."""

    name: str
    tensor: str  # of the artifact
    error: float | None  # None: of another shape, or not finite
    allowed: float

    @property
    def differs(self) -> bool:
        return self.error is None or self.error > self.allowed


@dataclass(frozen=True)
class Divergence:
    """Every layer that the artifact still tells apart, in running order."""

    layers: tuple[LayerError, ...]
    error: str = ""  # why there are none

    @property
    def first(self) -> LayerError | None:
        return next((layer for layer in self.layers if layer.differs), None)

    def __str__(self) -> str:
        if self.error:
            return f"layers were not compared: {self.error}"
        if self.first is None:
            return f"all {len(self.layers)} layers agree"
        first, at = self.first, self.layers.index(self.first)
        size = "not comparable" if first.error is None else f"off by {first.error:.1e} std"
        fine = f"the {at} before it agree" if at else "it is the first that is compared"
        return f"diverges at {first.name}, tensor {first.tensor}, {size}; {fine}"


def find_divergence(trial: Trial, folder: Path, scratch: Path) -> Divergence:
    """Compare the outputs of all layers for the first probe."""
    reference = trial.reference
    held = {layer.name: layer.first for layer in reference.layers if layer.first is not None}
    scopes = layer_scopes(held, reference.norms)
    if not scopes:
        return Divergence((), "the model is no functional graph, so its layers are unseen")
    given, result = scratch / "layers.npz", scratch / "compared.json"
    np.savez(given, image=reference.images[:1], **{name: held[name] for name in scopes})
    job = {
        "format": trial.format.name,
        "folder": str(folder),
        "given": str(given),
        "result": str(result),
        "scopes": scopes,
        "sizes": {name: held[name].size for name in scopes},
    }
    try:
        run_module("export.gate.compare", job, scratch)
        told = json.loads(result.read_text())
    finally:
        given.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    if told["error"]:
        return Divergence((), told["error"])
    noise = {layer.name: layer for layer in reference.noise.layers} if reference.noise else {}
    return Divergence(
        tuple(
            LayerError(
                entry["name"],
                entry["tensor"],
                entry["error"],
                bound(noise.get(entry["name"]), REORDERED, UNMEASURED).allowed,
            )
            for entry in told["layers"]
        )
    )


def as_details(divergence: Divergence) -> dict:
    """What report.json keeps of a comparison."""
    if divergence.error:
        return {"diverges": {"error": divergence.error}}
    told = {
        "layers": [
            {
                "name": layer.name,
                "tensor": layer.tensor,
                "error": None if layer.error is None else float(f"{layer.error:.3e}"),
                "allowed": float(f"{layer.allowed:.3e}"),
            }
            for layer in divergence.layers
        ]
    }
    if first := divergence.first:
        at = divergence.layers.index(first)
        told["diverges"] = {"layer": first.name, "tensor": first.tensor, "fine_before": at}
    return told
