"""Would the network survive in 16 bits?"""

from export.checks.base import Trial, skipped, verdict
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
    return verdict("fp16-range", measured <= LARGEST, measured, LARGEST, "", note)
