"""Are activations rounded in the steps that their calibrated ranges give?"""

from collections.abc import Mapping

from export.calibration.images import SYNTHETIC
from export.calibration.names import range_of
from export.checks.base import Trial
from export.results import Check, skipped, verdict
from export.wording import counted

SHOWN = 3


def ranges(trial: Trial) -> Check | None:
    """Compute scale and zero point of each pair again; None for formats without pairs."""
    if trial.format.precision != "int8":
        return None
    if not trial.observation.graph:
        return skipped("ranges", "not asked: the artifact did not open")
    pairs = trial.observation.graph.get("pairs", [])
    spans = trial.calibration.get("ranges", {})
    wrong = [pair["tensor"] for pair in pairs if not _fits(pair, spans, trial.format)]
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    note = f"{counted(len(pairs), 'pair')}, each in the steps of its range"
    if wrong:
        note = f"not in the steps of their ranges: {', '.join(wrong[:SHOWN])}{more}"
    if not pairs:
        note = "nothing in the graph is rounded to 8 bits"
    synthetic = trial.calibration.get("source") == SYNTHETIC
    note += "; ranges are from synthetic images" if synthetic else ""
    details = {"synthetic": True} if synthetic else {}
    passed = bool(pairs) and not wrong
    return verdict("ranges", passed, len(wrong), 0, "tensors", note, details)


def _fits(pair: dict, ranges: Mapping, format) -> bool:
    """Whether a pair rounds as one of the ranges that it may be for says, exactly."""
    return any(
        format.steps(span, pair["type"]) == (pair["scale"], pair["zero"])
        for name in pair["like"]
        if (span := range_of(ranges, name))
    )
