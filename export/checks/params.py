"""Does the Keras model have exactly the counts of its catalog entry?"""

from export.checks.base import Trial
from export.results import Check, skipped, verdict


def params(trial: Trial) -> Check:
    """Compare trainable parameters, all parameters, and the page's own convention."""
    own, expected = trial.reference.totals, trial.expected
    if expected.trainable is None:
        return skipped("params", expected.source)
    wrong = [
        f"{kind} {getattr(own, kind):,} instead of {getattr(expected, kind):,}"
        for kind in ("trainable", "total", "page")
        if getattr(own, kind) != getattr(expected, kind)
    ]
    note = f"total {own.total:,}, page's convention {own.page:,}, after {expected.source}"
    return verdict(
        "params",
        not wrong,
        own.trainable,
        expected.trainable,
        "parameters",
        "; ".join(wrong) or note,
    )
