"""Facts for the page of a benchmark, read from its records, whoever wrote the file.

As with reports, a value that is missing or of another type is left out and raises no error.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from export.html.values import mapping, positive, text
from export.wording import size

MACHINE = {  # keys of a record's `machine` -> what the page calls them
    "cpu": "processor",
    "cores": "cores",
    "usable_cores": "cores that may be used",
    "instructions": "instructions for few bits",
    "governor": "governor",
    "gpu": "GPU",
    "system": "system",
}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One artifact, or Keras model, in one runtime at one batch size. Times as the names say."""

    model: str
    format: str
    runtime: str
    machine: int  # its number among those of the page, from 1
    batch: float | None
    threads: float | None
    ratio: float | None
    median_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    images_per_s: float | None
    load_s: float | None
    first_ms: float | None
    peak_rss_bytes: float | None
    bytes: float | None
    valid: bool
    why: str

    @property
    def way(self) -> str:
        """What figures call the format and the runtime."""
        return self.runtime if self.format == "keras" else f"{self.format} in {self.runtime}"


@dataclass(frozen=True)
class Benchmark:
    speeds: tuple[Speed, ...]
    machines: tuple[dict[str, str], ...]  # what is known of each, by words of the page

    @property
    def models(self) -> dict[str, list[Speed]]:
        found: dict[str, list[Speed]] = {}
        for speed in self.speeds:
            found.setdefault(speed.model, []).append(speed)
        return found

    def way(self, speed: Speed) -> str:
        """Return what tells this speed from others of its model and batch size."""
        apart = f", machine {speed.machine}" if len(self.machines) > 1 else ""
        return f"{speed.way}{apart}"


NUMBERS = (
    "batch", "threads", "ratio", "median_ms", "p90_ms", "p99_ms", "images_per_s", "load_s",
    "first_ms", "peak_rss_bytes", "bytes",
)  # fmt: skip


def benchmark(records: Iterable[dict]) -> Benchmark:
    """Return the facts of `records`, in their order."""
    machines: list[dict[str, str]] = []
    speeds = []
    for record in records:
        machine = _machine(mapping(record.get("machine")))
        if machine not in machines:
            machines.append(machine)
        speeds.append(_speed(record, 1 + machines.index(machine)))
    return Benchmark(tuple(speeds), tuple(machines))


def _speed(record: dict, machine: int) -> Speed:
    return Speed(
        model=text(record.get("model")),
        format=text(record.get("format")),
        runtime=text(record.get("runtime")),
        machine=machine,
        valid=record.get("valid") is True,
        why=text(record.get("why")),
        **{name: positive(record.get(name)) for name in NUMBERS},
    )


def _machine(known: dict) -> dict[str, str]:
    found = {words: text(known.get(key)) for key, words in MACHINE.items()}
    memory = positive(known.get("memory_bytes"))
    found["memory"] = "" if memory is None else size(memory)
    return {words: value for words, value in found.items() if value}
