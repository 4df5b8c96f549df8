"""What a compression.json promises of each kernel, and whether values that are found keep it."""

from dataclasses import dataclass

from export.compression.content import DENSE, PATTERN
from export.compression.facts import Facts


@dataclass(frozen=True)
class Promise:
    """What compression.json says of one kernel, and what of that is to be seen in an artifact."""

    weight: str  # Keras' name
    sparsity: float
    pattern: bool
    distinct: int | None  # at most; None where the kernel was not clustered

    def zeros_of(self, size: int) -> int:
        """Return how many of `size` values are zero."""
        return round(self.sparsity * size)

    def broken_by(self, facts: Facts, by_channel: bool) -> str:
        """What `facts` of the artifact lack; empty where they keep the promise.

        Distinct values are counted `by_channel` where each output channel has a scale of its own:
        that of a batch-norm which went into the kernel, or of rounding to 8 bits.
        """
        zeros = self.zeros_of(facts.size)
        if facts.zeros < zeros:
            return f"{facts.zeros:,} of {facts.size:,} values are zero instead of {zeros:,}"
        if self.pattern and not facts.pattern:
            return f"a group of four is not {PATTERN}"
        found = facts.in_a_channel if by_channel else facts.distinct
        if self.distinct is not None and (found is None or found > self.distinct):
            where = " in a channel" if by_channel else ""
            return f"{found or 'many'} distinct values{where} instead of {self.distinct}"
        return ""


def promises_of(content: dict) -> list[Promise]:
    """Return what a compression.json promises: something of each kernel that was compressed."""
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
