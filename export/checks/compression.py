"""Does the artifact hold what the compression of its model promises?"""

from dataclasses import dataclass

from export.checks.base import Trial
from export.compression.content import DENSE, PATTERN, check_content
from export.compression.facts import Facts
from export.results import Check, skipped, verdict
from export.wording import counted

SHOWN = 3


@dataclass(frozen=True)
class Promise:
    """What compression.json says of one kernel, and what of that is to be seen in an artifact."""

    weight: str  # Keras' name
    sparsity: float
    pattern: bool
    distinct: int | None  # at most; None where the kernel was not clustered

    def broken_by(self, facts: Facts, by_channel: bool) -> str:
        """What `facts` of the artifact lack; empty where they keep the promise.

        Distinct values are counted `by_channel` where each output channel has a scale of its own:
        that of a batch-norm which went into the kernel, or of rounding to 8 bits.
        """
        zeros = round(self.sparsity * facts.size)
        if facts.zeros < zeros:
            return f"{facts.zeros:,} of {facts.size:,} values are zero instead of {zeros:,}"
        if self.pattern and not facts.pattern:
            return f"a group of four is not {PATTERN}"
        found = facts.in_a_channel if by_channel else facts.distinct
        if self.distinct is not None and (found is None or found > self.distinct):
            where = " in a channel" if by_channel else ""
            return f"{found or 'many'} distinct values{where} instead of {self.distinct}"
        return ""


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
    return _judge(trial, _promises(content), content)


def _promises(content: dict) -> list[Promise]:
    clusters = content["method"].get("cluster")
    found = []
    for layer in content["layers"]:
        clustered = isinstance(clusters, int) and layer["distinct"] <= clusters
        if layer["pattern"] == DENSE and not clustered:
            continue
        found.append(
            Promise(
                layer["weight"],
                layer["sparsity"],
                layer["pattern"] == PATTERN,
                layer["distinct"] if clustered else None,
            )
        )
    return found


def _judge(trial: Trial, promises: list[Promise], content: dict) -> Check:
    facts = {found.name: found.facts for found in trial.observation.weights}
    held, folded = trial.names_in_artifact(), {norm.kernel for norm in trial.reference.norms}
    wrong, layers = [], []
    for promise in promises:
        seen = facts.get(held.get(promise.weight, promise.weight))
        by_channel = trial.format.scales_channels or promise.weight in folded
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
