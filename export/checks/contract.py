"""Does the artifact keep the model's contract: its names, types and shapes, any batch size?"""

from collections.abc import Iterable, Iterator

from export.checks.base import Trial
from export.checks.bounds import bound
from export.contract import BATCH, Batch, Tensor
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
    wrong = _differences("input", seen.contract.inputs, reference.contract.inputs)
    wrong += _differences("output", seen.contract.outputs, reference.contract.outputs)
    if seen.error:
        wrong.append(seen.error)
    else:
        wrong += _shapes(seen.outputs, reference.outputs)
    wrong += _classify(seen.classify) if seen.classify else []
    wrong += _again(trial) if seen.again else []
    note = "; ".join(wrong) or f"ran in batches of {', '.join(map(str, BATCHES))}: {seen.ran}"
    note += "; classify agrees with logits" if seen.classify and not wrong else ""
    return verdict("contract", not wrong, len(wrong), 0, "differences", note)


def _shapes(outputs: Batch, wanted: Batch) -> list[str]:
    """List the outputs that are of another shape than the model's."""
    return [
        f"{name} of shape {outputs[name].shape} instead of {values.shape}"
        for name, values in wanted.items()
        if name in outputs and outputs[name].shape != values.shape
    ]


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
            f"what Python loads gives {trial.reference.contract.called} that are off by "
            f"{seen['worst']:.2g} std from what a "
            "server loads"
        )
    if bool(seen["classify"]) != bool(trial.observation.classify):
        wrong.append("only one of Python and a server loads classify")
    wrong += [f"as Python loads it, {w}" for w in _classify(seen["classify"] or NOTHING_WRONG)]
    return wrong


def _differences(kind: str, tensors: Iterable[Tensor], wanted: Iterable[Tensor]) -> list[str]:
    """List where the declared `tensors` differ from the model's; their order is nobody's."""
    found, right = (sorted(side, key=lambda tensor: tensor.name) for side in (tensors, wanted))
    names, own = ([tensor.name for tensor in side] for side in (found, right))
    if names != own:
        return [f"{kind} {', '.join(names) or 'none'} instead of {', '.join(own)}"]
    return [wrong for pair in zip(found, right, strict=True) for wrong in _of_one(*pair)]


def _of_one(tensor: Tensor, wanted: Tensor) -> Iterator[str]:
    name = wanted.name
    if tensor.dtype != wanted.dtype:
        yield f"{name} is {tensor.dtype} instead of {wanted.dtype}"
    if len(tensor.shape) != len(wanted.shape) or tensor.sizes != wanted.sizes:
        yield f"{name} is {tensor.shape[1:]} instead of {wanted.shape[1:]} an image"
    if tensor.shape and tensor.shape[0] not in (None, BATCH):
        yield f"{name} has a fixed batch of {tensor.shape[0]}"
