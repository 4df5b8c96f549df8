"""What became faster or slower between two benchmarks of the same artifacts."""

from collections.abc import Iterable

from export.benchmark.figures import beyond_noise

MEASURED = ("model", "format", "runtime", "device", "batch", "threads")


def changes(before: Iterable[dict], after: Iterable[dict]) -> list[str]:
    """A sentence for each figure that differs by more than its bounds, and one if none does.

    The bounds are those of the medians (95 %), and only records that both find valid are compared.
    """
    known = {_key(record): record for record in before if record.get("valid")}
    pairs = [(known[_key(r)], r) for r in after if r.get("valid") and _key(r) in known]
    found = []
    for old, new in pairs:
        if word := beyond_noise(_bounded(old), _bounded(new)):
            where = f"{new['model']}/{new['format']} in {new['runtime']} at batch {new['batch']}"
            figures = f"{old['median_ms']:.3g} to {new['median_ms']:.3g} ms"
            found.append(f"{where} became {word}: {figures}")
    if not pairs:
        return ["nothing that was measured before was measured again"]
    return found or [f"none of {len(pairs)} figures differs by more than chance does"]


def covered(
    records: Iterable[dict], subjects: Iterable, batches: Iterable[int], threads: int | None
) -> list[dict]:
    """Those of `records` whose model has one for each of its `subjects` at each of `batches`."""
    records, batches, subjects = list(records), list(batches), list(subjects)
    there = {tuple(record.get(name) for name in MEASURED) for record in records}
    lacks = {
        one.model
        for one in subjects
        for batch in batches
        if (one.model, one.format, one.runtime, one.device, batch, threads) not in there
    }
    whole = {one.model for one in subjects} - lacks
    return [record for record in records if record["model"] in whole]


def _key(record: dict) -> tuple:
    return tuple(record.get(name) for name in MEASURED)


def _bounded(record: dict) -> dict:
    """The record with infinite bounds in the place of those that few calls could not give."""
    low, high = record.get("median_low_ms"), record.get("median_high_ms")
    return {
        "median_low_ms": 0.0 if low is None else low,
        "median_high_ms": float("inf") if high is None else high,
    }
