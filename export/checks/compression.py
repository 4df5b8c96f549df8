"""Does the artifact hold what the compression of its model promises?"""

from export.checks.base import Trial
from export.compression.content import PATTERN, check_content
from export.compression.facts import Facts
from export.compression.promises import Promise, promises_of
from export.results import Check, skipped, verdict
from export.wording import counted

SHOWN = 3


def compression(trial: Trial) -> Check | None:
    """Sparsity, pattern and distinct values of each kernel, read from the artifact itself.

    None for a model that was not compressed.
    """
    content = trial.compression
    if not content:
        return None
    try:
        check_content(content)
    except ValueError as error:
        return verdict("compression", False, None, 0, "layers", f"the record is damaged: {error}")
    if content["sha256"]["after"] != trial.reference.sha256:
        why = (
            "compression.json beside the model is of other weights; compress again, or move it away"
        )
        return verdict("compression", False, None, 0, "layers", why)
    if trial.observation.error and not trial.observation.weights:
        return skipped("compression", f"could not be read: {trial.observation.error}")
    return _judge(trial, promises_of(content), content)


def _judge(trial: Trial, promises: list[Promise], content: dict) -> Check:
    facts = {found.name: found.facts for found in trial.observation.weights}
    held, wrong, layers = trial.names_in_artifact(), [], []
    for promise in promises:
        seen = facts.get(held.get(promise.weight, promise.weight))
        by_channel = trial.scales_channels_of(promise.weight)
        broken = promise.broken_by(seen, by_channel) if seen else "not found in it"
        if broken:
            wrong.append(f"{promise.weight}: {broken}")
        layers.append({"name": promise.weight, **_shown(seen)})
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    note = "; ".join(wrong[:SHOWN]) + more if wrong else _kept(promises, content)
    if not promises:
        note = "no layer was pruned or clustered"
    details = {"kernels": layers}
    return verdict("compression", not wrong, len(wrong), 0, "layers", note, details)


def _shown(facts: Facts | None) -> dict:
    if facts is None:
        return {}
    return {"sparsity": facts.sparsity, "pattern": facts.pattern, "distinct": facts.distinct}


def _kept(promises: list[Promise], content: dict) -> str:
    """What was found, and which layers it was never possible for."""
    patterned = sum(promise.pattern for promise in promises)
    clustered = sum(promise.distinct is not None for promise in promises)
    sparse = sum(promise.sparsity > 0 for promise in promises)
    parts = [f"{counted(len(promises), 'kernel')} as promised"]
    parts += [f"{sparse} sparse"] * bool(sparse) + [f"{patterned} with {PATTERN}"] * bool(patterned)
    parts += [f"{clustered} clustered"] * bool(clustered)
    left = [
        f"{layer['name']} ({layer['left']})" for layer in content["layers"] if layer.get("left")
    ]
    note = ", ".join(parts)
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    return f"{note}; left alone: {', '.join(left[:SHOWN])}{more}" if left else note
