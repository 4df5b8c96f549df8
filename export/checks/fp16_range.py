"""Would the network survive in 16 bits?"""

import math
from dataclasses import replace

from export.checks.base import Trial
from export.checks.costly import costliest
from export.observe.base import Float16Loss, Layer
from export.results import ROUNDED, Check, skipped, verdict
from export.skeleton.stores import LARGEST_HALF as LARGEST
from export.wording import counted

MANY = 0.01  # share of a weight's values that lose precision, above which it is named


def fp16_range(trial: Trial) -> Check | None:
    """Activations and weights against float16's range, and the logits against its rounding.

    None for formats of 32 bits.
    """
    if trial.format.precision != "fp16":
        return None
    layers = _layers(trial)
    if not layers:
        return skipped("fp16-range", "the model is no functional graph, so its layers are unseen")
    losses = [loss for loss in trial.reference.float16 if not _kept(loss.name, trial)]
    sized = [*(layer for layer in layers if not _kept(f"{layer.name}/", trial)), *losses]
    if not sized:
        return skipped("fp16-range", "all layers stay in FP32")
    worst = max(sized, key=lambda one: one.largest)
    notes = [f"largest at {worst.name}", *_thin(losses)]
    if trial.kept:
        notes.append(f"kept in FP32: {', '.join(trial.kept)}")
    noise = trial.reference.noise
    unseen = not any(tensor.floats for tensor in trial.reference.contract.outputs)
    if unseen:
        notes.append("no output is a float, so what rounding moves is unseen")
    elif noise:
        notes.append(f"rounding moves {trial.reference.contract.called} by {noise.fp16:.1e} std")
    details = {"layers": [_entry(layer, trial) for layer in layers]}

    def judged(passed: bool, measured: float, allowed: float, unit: str = "") -> Check:
        return verdict("fp16-range", passed, measured, allowed, unit, "; ".join(notes), details)

    over = [one.name for one in sized if not one.largest <= LARGEST]
    if over:
        notes.append(f"keep {', '.join(over)} in FP32")
        return judged(False, worst.largest, LARGEST)
    if noise is None:
        notes.append("what rounding does could not be measured")
        return replace(skipped("fp16-range", "; ".join(notes)), details=details)
    if not unseen and not noise.fp16 <= ROUNDED.largest:
        notes.append(f"keep {costliest(noise, 'fp16')[0][0]} in FP32")
        return judged(False, noise.fp16, ROUNDED.largest, "std")
    return judged(True, worst.largest, LARGEST)


def _kept(name: str, trial: Trial) -> bool:
    """Whether a weight, or a layer with a slash behind its name, stays in 32 bits."""
    return name.rpartition("/")[0] in trial.kept


def _layers(trial: Trial) -> list[Layer]:
    """Return the layers that an artifact computes; one that is folded away cannot overflow."""
    folded = {norm.into for norm in trial.reference.norms if norm.into}
    return [layer for layer in trial.reference.layers if layer.name not in folded]


def _thin(losses: list[Float16Loss]) -> list[str]:
    thin = sorted(
        (loss for loss in losses if loss.subnormal > MANY), key=lambda loss: -loss.subnormal
    )
    if not thin:
        return []
    more = (
        f", and over {MANY:.0%} of {counted(len(thin) - 1, 'more weight')}" if len(thin) > 1 else ""
    )
    return [f"{thin[0].subnormal:.1%} of {thin[0].name} is subnormal in float16{more}"]


def _entry(layer: Layer, trial: Trial) -> dict:
    """Return the report's entry of a layer: its range, its rounding, its weights in float16."""
    entry = {"largest": layer.largest}
    noise = trial.reference.noise
    moved = next((one for one in noise.layers if one.name == layer.name), None) if noise else None
    if moved:
        entry["fp16_error"] = moved.fp16
    into = {norm.name: norm.into for norm in trial.reference.norms if norm.into}
    owner = into.get(layer.name, layer.name)
    own = [loss for loss in trial.reference.float16 if f"/{owner}/" in f"/{loss.name}"]
    if values := sum(loss.values for loss in own):
        entry["subnormal_weights"] = sum(loss.subnormal * loss.values for loss in own) / values
        entry["zero_weights"] = sum(loss.zero * loss.values for loss in own) / values
    return {"name": layer.name, **{key: _short(value) for key, value in entry.items()}}


def _short(value: float) -> float | None:
    return float(f"{value:.3e}") if math.isfinite(value) else None
