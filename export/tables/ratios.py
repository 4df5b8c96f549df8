"""How artifacts compare in speed, in the same rounds: in 8 bits, by other converters, by a loop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from export.benchmark.comparing import MEASURED
from export.benchmark.stock import converter
from export.formats import FORMATS, find_format

HEADER = ("network", "batch", "what", "of what", "times as long", "rounds")
ALIGN = "lrllrl"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    model: str
    batch: int
    what: str
    of: str
    rounds: tuple[float, ...]  # the ratio in each, as `what` takes times as long
    valid: bool  # whether both figures are

    @property
    def middle(self) -> float:
        return float(np.median(self.rounds))


def ratios(records: Iterable[dict]) -> list[Ratio]:
    """Compare what was measured in the same rounds of a benchmark."""
    records = list(records)
    return [*_of_formats(records), *_of_loops(records)]


def _of_formats(records: list[dict]) -> Iterator[Ratio]:
    found = {_key(record): record for record in records}
    for record in records:
        for other in _others(record.get("format")):
            base = found.get(_key(record | {"format": other}), {})
            own, others = (one.get("medians_ms") or () for one in (record, base))
            if own and len(own) == len(others):
                yield Ratio(
                    model=record["model"],
                    batch=record["batch"],
                    what=f"{record['format']} in {record['runtime']}",
                    of=other,
                    rounds=tuple(a / b for a, b in zip(own, others, strict=True)),
                    valid=bool(record.get("valid") and base.get("valid")),
                )


def _others(name: str | None) -> list[str]:
    """What a format is compared with: the same in 32 bits, or as another converter writes it."""
    try:
        format = find_format(str(name))
    except ValueError:
        return []  # a Keras model, or what another converter wrote
    if by := converter(format):
        return [f"{name} by {by}"]
    same = [one for one in FORMATS.values() if one.kind == format.kind and one.name != name]
    return [one.name for one in same if one.precision == "fp32"]


def _of_loops(records: list[dict]) -> Iterator[Ratio]:
    for record in records:
        if pairs := record.get("pairs_ms"):
            yield Ratio(
                model=record["model"],
                batch=record["batch"],
                what=f"loadgen, {record['format']} in {record['runtime']}",
                of="a bare loop",
                rounds=tuple(own / loop for own, loop in pairs),
                valid=bool(record.get("valid")),
            )


def _key(record: dict) -> tuple:
    machine = tuple(sorted((record.get("machine") or {}).items(), key=str))
    return (*(record.get(name) for name in MEASURED), repr(machine))


def cells(ratio: Ratio) -> list[str]:
    return [
        ratio.model,
        str(ratio.batch),
        ratio.what,
        ratio.of,
        f"{ratio.middle:.2f}" + ("" if ratio.valid else " (in doubt)"),
        ", ".join(f"{one:.2f}" for one in ratio.rounds),
    ]
