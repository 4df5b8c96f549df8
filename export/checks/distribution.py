"""How logit errors are spread: not only the worst of them, but how many are near it."""

import numpy as np

BINS = 24
DECADES = 4  # below the worst error that the bins cover


def distribution(errors: np.ndarray) -> dict:
    """Histogram of absolute `errors` in standard deviations of the reference, as JSON.

    `counts` has an entry for each bin between two `edges`, which are equally far apart on a
    logarithmic scale and end at the worst error; `smaller` counts what lies below the first.
    """
    errors = np.abs(np.asarray(errors, np.float64)).reshape(-1)
    worst = float(errors.max())
    spread = {"values": errors.size, "median": _short(np.median(errors))}
    spread["p99"] = _short(np.quantile(errors, 0.99))
    if worst == 0:
        return {**spread, "edges": [], "counts": [], "smaller": errors.size}
    edges = np.geomspace(worst / 10**DECADES, worst, BINS + 1)
    edges[-1] = worst  # geomspace may round below it
    counts, _ = np.histogram(errors, edges)
    smaller = int((errors < edges[0]).sum())
    return {
        **spread,
        "edges": [_short(edge) for edge in edges],
        "counts": counts.tolist(),
        "smaller": smaller,
    }


def _short(value) -> float:
    """Round to four digits, which is more than a picture shows."""
    return float(f"{value:.3e}")
