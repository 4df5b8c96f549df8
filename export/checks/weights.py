"""Does the artifact hold exactly the model's weights, every tensor once?"""

from collections import Counter

from export.checks.base import Trial, verdict
from export.results import Check

SHOWN = 3


def weights(trial: Trial) -> Check:
    """Match tensors by the sha256 of their values, in the layout that Keras keeps them in."""
    wanted = Counter(weight.sha256 for weight in trial.reference.weights)
    held = Counter(found.sha256 for found in trial.observation.weights)
    missing, extra = wanted - held, held - wanted
    lost = [w.name for w in trial.reference.weights if w.sha256 in missing]
    strange = [f.name for f in trial.observation.weights if f.sha256 in extra]
    wrong = sum(missing.values()) + sum(extra.values())
    told = []
    if lost:
        told.append(f"missing or changed: {_list(lost)}")
    if strange:
        told.append(f"not the model's: {_list(strange)}")
    note = "; ".join(told) or f"{sum(held.values())} tensors, each found once by its hash"
    return verdict("weights", not wrong, wrong, 0, "tensors", note)


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
