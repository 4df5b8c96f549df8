"""Does the artifact keep the contract: `image` in, `logits` out, any batch size?"""

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import bound
from export.formats.base import Tensor
from export.observe.probes import BATCHES
from export.results import Check, verdict

NOTHING_WRONG = {"worst": 0.0, "wrong": 0, "error": ""}
SAME = 1e-4  # probability; the same network on the same pixels, in other batches


def contract(trial: Trial) -> Check:
    """Compare names, types and shapes, and see that batches of 1 and of 3 ran.

    An artifact that can be loaded in two ways must be the same network in both.
    """
    seen, reference = trial.observation, trial.reference
    if seen.failed == "open":
        return verdict("contract", False, None, None, note=seen.error)
    wrong = _differences("input", seen.inputs, "image", reference.image)
    wrong += _differences("output", seen.outputs, "logits", (reference.classes,))
    expected = (len(reference.images), reference.classes)
    if seen.error:
        wrong.append(seen.error)
    elif seen.logits.shape != expected:
        wrong.append(f"logits of shape {seen.logits.shape} instead of {expected}")
    if _are_probabilities(reference.logits):
        wrong.append(
            "the model gives probabilities instead of logits; take the softmax off its last layer"
        )
    wrong += _classify(seen.classify) if seen.classify else []
    wrong += _again(trial) if seen.again else []
    note = "; ".join(wrong) or f"ran in batches of {', '.join(map(str, BATCHES))}: {seen.ran}"
    note += "; classify agrees with logits" if seen.classify and not wrong else ""
    return verdict("contract", not wrong, len(wrong), 0, "differences", note)


def _are_probabilities(logits: np.ndarray) -> bool:
    """Tell whether a softmax went before: rows add up to 1, and nothing is negative."""
    if logits.shape[1] < 2 or not np.isfinite(logits).all():
        return False
    return bool((logits >= 0).all() and np.abs(logits.sum(axis=1) - 1).max() < SAME)


def _classify(seen: dict) -> list[str]:
    """List what is wrong with the signature `classify`, the same network on pictures."""
    if seen["error"]:
        return [seen["error"]]
    wrong = []
    if not seen["worst"] <= SAME:  # NaN is wrong too
        wrong.append(f"classify's probabilities are off by {seen['worst']:.2g}")
    if seen["wrong"]:
        wrong.append(f"classify names {seen['wrong']} classes wrongly")
    return wrong


def _again(trial: Trial) -> list[str]:
    """List where the artifact as Python loads it differs from what a server loads."""
    seen = trial.observation.again
    if seen["error"]:
        return [f"a server loads it and Python does not: {seen['error']}"]
    wrong = []
    allowed = bound(trial.reference.noise, trial.format.rule).allowed
    if not seen["worst"] <= allowed:  # NaN is wrong too
        wrong.append(
            f"what Python loads gives logits that are off by {seen['worst']:.2g} std from what a "
            "server loads"
        )
    if bool(seen["classify"]) != bool(trial.observation.classify):
        wrong.append("only one of Python and a server loads classify")
    wrong += [f"as Python loads it, {w}" for w in _classify(seen["classify"] or NOTHING_WRONG)]
    return wrong


def _differences(kind: str, tensors: tuple[Tensor, ...], name: str, shape: tuple) -> list[str]:
    if [tensor.name for tensor in tensors] != [name]:
        names = ", ".join(tensor.name for tensor in tensors) or "none"
        return [f"{kind} {names} instead of {name}"]
    (tensor,) = tensors
    wrong = []
    if tensor.dtype != "float32":
        wrong.append(f"{name} is {tensor.dtype} instead of float32")
    if tensor.shape[1:] != shape:
        wrong.append(f"{name} is {tensor.shape[1:]} instead of {shape} an image")
    if tensor.shape and tensor.shape[0] not in (None, "batch"):
        wrong.append(f"{name} has a fixed batch of {tensor.shape[0]}")
    return wrong
