"""Does the artifact hold exactly the model's weights, every tensor once?"""

from collections import Counter
from math import prod

from export.checks.base import Trial
from export.results import Check, skipped, verdict

SHOWN = 3


def weights(trial: Trial) -> Check:
    """Match tensors by the sha256 of their values, in the layout that Keras keeps them in."""
    right = trial.weights
    unread = trial.observation.failed == "weights"
    if unread or (trial.observation.error and not trial.observation.weights):
        why = f"could not be read: {trial.observation.error}"
        return verdict("weights", False, len(right), 0, "tensors", why)
    wanted = Counter(weight.sha256 for weight in right)
    held = Counter(found.sha256 for found in trial.observation.weights)
    # A tensor of one element may be an epsilon or a slope, which is no weight.
    numbers = {found.sha256 for found in trial.observation.weights if prod(found.shape) <= 1}
    numbers |= trial.reference.constants
    missing = wanted - held
    if trial.format.copies:  # which several engines read
        numbers |= wanted.keys()
    extra = Counter({sha: n for sha, n in (held - wanted).items() if sha not in numbers})
    lost = [w.name for w in right if w.sha256 in missing]
    strange = [f.name for f in trial.observation.weights if f.sha256 in extra]
    wrong = sum(missing.values()) + sum(extra.values())
    notes = []
    if lost:
        notes.append(f"missing or changed: {_list(lost)}")
    if strange:
        notes.append(f"not the model's: {_list(strange)}")
    if wrong and trial.stock:
        found = sum((wanted & held).values())
        why = f"the converter worked with the weights, since {trial.stock}"
        return skipped("weights", f"{found} of {len(right)} found; {why}")
    note = "; ".join(notes) or f"{sum(wanted.values())} tensors, each found once by its hash"
    return verdict("weights", not wrong, wrong, 0, "tensors", note)


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
