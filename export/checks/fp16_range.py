"""Would the network survive in 16 bits?"""

import math
from dataclasses import replace

from export.checks.base import Trial, skipped, verdict
from export.checks.bounds import ROUNDED
from export.results import Check

LARGEST = 65504.0  # of float16
MANY = 0.01  # share of a weight's values that lose precision, above which it is named


def fp16_range(trial: Trial) -> Check | None:
    """Largest activation and weight against float16's range; None for formats of 32 bits."""
    if trial.format.precision != "fp16":
        return None
    layers, halves = trial.reference.layers, trial.reference.halves
    if not layers:
        return skipped("fp16-range", "the model is no functional graph, so its layers are unseen")
    worst = max(layers, key=lambda layer: layer.largest)
    heavy = max(halves, key=lambda half: half.largest)
    measured = max(worst.largest, heavy.largest)
    where = worst.name if worst.largest >= heavy.largest else heavy.name
    thin = sorted((h for h in halves if h.subnormal > MANY), key=lambda h: -h.subnormal)
    note = f"largest at {where}"
    if thin:
        note += f"; {thin[0].subnormal:.1%} of {thin[0].name} is subnormal in float16"
        note += f", and over {MANY:.0%} of {len(thin) - 1} more weights" if len(thin) > 1 else ""
    noise = trial.reference.noise
    if noise:
        note += f"; rounding moves logits by {noise.fp16:.1e} std, in 8 bits by {noise.int8:.1e}"
    lost = bool(noise) and not noise.fp16 <= ROUNDED.largest
    if measured > LARGEST or lost:
        note += f"; keep {_culprit(trial, lost)} in FP32"
    passed = measured <= LARGEST and not lost
    check = verdict("fp16-range", passed, measured, LARGEST, "", note)
    return replace(check, details={"layers": _layers(trial)} if noise else {})


def _culprit(trial: Trial, lost: bool) -> str:
    """What overflows or, where nothing does, the layer at which rounding begins to hurt most."""
    layers = trial.reference.layers
    over = [layer.name for layer in layers if layer.largest > LARGEST]
    over += [half.name for half in trial.reference.halves if half.largest > LARGEST]
    if over or not lost:
        return ", ".join(over)
    errors = [(layer.name, layer.fp16) for layer in trial.reference.noise.layers]
    before, jumps = 0.0, {}
    for name, error in errors:
        jumps[name], before = error - before, max(before, error)
    return max(jumps, key=jumps.get, default="the network")


def _layers(trial: Trial) -> list[dict]:
    """What is known of each layer: its range, its weights in float16, what rounding does to it."""
    largest = {layer.name: layer.largest for layer in trial.reference.layers}
    into = {norm.name: norm.into for norm in trial.reference.norms if norm.into}
    told = []
    for layer in trial.reference.noise.layers:
        entry = {
            "name": layer.name,
            "largest": largest[layer.name],
            "fp16_error": layer.fp16,
            "int8_error": layer.int8,
        }
        owner = into.get(layer.name, layer.name)
        own = [h for h in trial.reference.halves if h.name.rpartition("/")[0] == owner]
        if own:
            entry["subnormal_weights"] = max(half.subnormal for half in own)
            entry["zero_weights"] = max(half.zero for half in own)
        told.append({key: _short(value) for key, value in entry.items()})
    return told


def _short(value):
    if isinstance(value, str):
        return value
    return float(f"{value:.3e}") if math.isfinite(value) else None
