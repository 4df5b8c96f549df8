"""Find the first layer where artifact and model differ."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from export.checks import Trial
from export.checks.bounds import bound
from export.contract import GIVEN, part, prefixed
from export.errors import Shortage
from export.networks.layers import layer_scopes
from export.observe.noise import LayerNoise
from export.process import ChildFailed, ask
from export.results import REORDERED, Rule
from export.runtimes import parity_runtime

NOT_HELD = "it does not hold the weights as they should be"
AT_ONCE = 2  # inputs that noise of layers is measured on
UNMEASURED = 1e-3  # standard deviations allowed of a layer whose noise is unknown


# Of layers, by their names; and why that of none is known, where that is so.
NoiseOf = Callable[[], tuple[dict[str, LayerNoise], str]]


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
    """Every layer that the artifact still tells apart, in running order, for one probe."""

    layers: tuple[LayerError, ...]
    error: str = ""  # why there are none
    probe: int = 0
    unmeasured: str = ""  # why no layer's noise is known, where that is so

    @property
    def first(self) -> LayerError | None:
        return next((layer for layer in self.layers if layer.differs), None)

    def __str__(self) -> str:
        where = f" for probe {self.probe}" if self.probe else ""
        if self.error:
            return f"layers were not compared{where}: {self.error}"
        fixed = f" ({UNMEASURED:g} std is allowed of each, because {self.unmeasured})"
        fixed = fixed if self.unmeasured else ""
        if self.first is None:
            return f"{_all(len(self.layers))}{where}{fixed}"
        first, at = self.first, self.layers.index(self.first)
        size = "not comparable" if first.error is None else f"off by {first.error:.1e} std"
        fine = "it is the first that is compared"
        if at:
            fine = "the one before it agrees" if at == 1 else f"the {at} before it agree"
        return f"diverges{where} at {first.name}, tensor {first.tensor}, {size}; {fine}{fixed}"


def _all(layers: int) -> str:
    return "the one layer agrees" if layers == 1 else f"all {layers} layers agree"


def find_divergence(trial: Trial, folder: Path, scratch: Path, probe: int = 0) -> Divergence:
    """Compare the outputs of all layers, for the first probe and then, if all agree, for `probe`.

    What the model's layers give is known for the first alone. For another it is what they give
    with the artifact's own weights, so that has to hold them all.
    """
    reference = trial.reference
    known = {layer.name: layer.first for layer in reference.layers if layer.first is not None}
    scopes = layer_scopes(known, reference.norms)
    if not scopes:
        return Divergence((), "the model is no functional graph, so its layers are unseen")
    job = {
        "format": trial.format.name,
        "folder": str(folder),
        "scopes": scopes,
        "sizes": {name: known[name].size for name in scopes},
        "layers": list(scopes),
    }
    outputs = {f"layer_{number}": known[name] for number, name in enumerate(scopes)}
    noise = cache(lambda: _noise_of_layers(scopes, trial, folder, scratch))  # twice at most
    if not trial.format.rounds:  # else every layer differs from the model's by its weights
        found = _compared(job, outputs, 0, trial, scratch, noise)
        if found.error or found.first or not probe:
            return found
    held = trial.names_in_artifact()
    if len(held) < len(reference.weights):
        return Divergence((), NOT_HELD, probe) if trial.format.rounds else found
    in_order = {weight.name: held[weight.name] for weight in reference.weights}
    skeleton = {"skeleton": np.frombuffer(reference.graph, np.uint8)}
    own = {"held": in_order, "kept": list(trial.kept)}
    return _compared(job | own, skeleton, probe, trial, scratch, noise)


def _compared(
    job: dict, outputs: dict, probe: int, trial: Trial, scratch: Path, noise: NoiseOf
) -> Divergence:
    """Have a child compare the layers for one probe; `outputs` say what the model's give."""
    reference = trial.reference
    given = part(reference.inputs, slice(probe, probe + 1))
    arrays = {**prefixed(given, GIVEN), **outputs}
    packages = parity_runtime(trial.format).packages
    answer, _ = ask("export.gate.compare", job, arrays, scratch, packages=packages)
    if answer["error"]:
        return Divergence((), answer["error"], probe)
    measured, unmeasured = noise()
    rule = replace(_rule(trial), fixed=UNMEASURED)
    layers = (
        LayerError(
            entry["name"],
            entry["tensor"],
            entry["error"],
            bound(measured.get(entry["name"]), rule).allowed,
        )
        for entry in answer["layers"]
    )
    return Divergence(tuple(layers), "", probe, unmeasured)


def _rule(trial: Trial) -> Rule:
    """What layers are allowed; of a format that rounds, without its rounding."""
    return REORDERED if trial.format.rounds else trial.format.rule


def _noise_of_layers(
    scopes: dict[str, str], trial: Trial, folder: Path, scratch: Path
) -> tuple[dict[str, LayerNoise], str]:
    """Return the noise of layers by their names, and why it is known of none, if so.

    That of fewer bits was measured with the model; that of 32 is on the artifact's own weights.
    """
    reference = trial.reference
    if reference.noise is None:
        return {}, "noise could not be measured"
    if _rule(trial).kind != REORDERED.kind:
        return {layer.name: layer for layer in reference.noise.layers}, ""
    held = _held(trial)
    if held is None:
        return {}, NOT_HELD
    job = {
        "format": trial.format.name,
        "folder": str(folder),
        "held": held,
        "kept": list(trial.kept),
        "scopes": scopes,
    }
    skeleton = {"skeleton": np.frombuffer(reference.graph, np.uint8)}
    arrays = {**prefixed(part(reference.inputs, slice(AT_ONCE)), GIVEN), **skeleton}
    packages = (*parity_runtime(trial.format).packages, "tensorflow")
    try:
        answer, _ = ask("export.gate.layer_noise", job, arrays, scratch, packages=packages)
    except (ChildFailed, Shortage) as error:  # layers were compared all the same
        return {}, f"noise could not be measured: {error}"
    if answer["error"]:
        return {}, f"noise could not be measured: {answer['error']}"
    nan = math.nan
    return {name: LayerNoise(name, one, nan, nan) for name, one in answer["moved"].items()}, ""


def _held(trial: Trial) -> dict[str, str] | None:
    """The artifact's names of all weights by Keras', in order; None where it lacks some.

    One that is not the model's is taken for the first that lacks its own and has its size: noise
    is as large with it.
    """
    known = trial.names_in_artifact()
    others = [one for one in trial.observation.weights if one.name not in known.values()]
    held = {}
    for weight in trial.reference.weights:
        sizes = (one for one in others if math.prod(one.shape) == math.prod(weight.shape))
        if weight.name not in known and (other := next(sizes, None)):
            others.remove(other)
            known[weight.name] = other.name
        if weight.name not in known:
            return None
        held[weight.name] = known[weight.name]
    return held


def as_details(divergence: Divergence) -> dict:
    """Return what report.json keeps of a comparison."""
    if divergence.error:
        return {"diverges": {"error": divergence.error}}
    content = {
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
        content["diverges"] = {
            "layer": first.name,
            "tensor": first.tensor,
            "fine_before": at,
            "probe": divergence.probe,
        }
    return content
