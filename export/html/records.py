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
    joules: float | None  # of an image, by processor and card as far as they tell
    card: str  # what the GPU said of itself meanwhile
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

    @property
    def tells_energy(self) -> bool:
        return any(speed.joules for speed in self.speeds)

    @property
    def tells_cards(self) -> bool:
        return any(speed.card for speed in self.speeds)

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
        joules=_joules(record),
        card=_card(mapping(record.get("gpu"))),
        **{name: positive(record.get(name)) for name in NUMBERS},
    )


def _joules(record: dict) -> float | None:
    of_card = mapping(record.get("gpu")).get("joules_per_image")
    found = [positive(one) for one in (record.get("joules_per_image"), of_card)]
    return sum(one for one in found if one is not None) or None


def _card(gpu: dict) -> str:
    """The lowest clock, the highest temperature, and the memory of the process."""
    clock, most, heat, memory = (
        positive(gpu.get(key)) for key in ("sm_mhz", "most_sm_mhz", "temperature_c", "peak_bytes")
    )
    words = (
        "" if clock is None else f"{clock:.0f} MHz" + (f" of {most:.0f}" if most else ""),
        "" if heat is None else f"{heat:.0f} °C",
        "" if memory is None else size(memory),
    )
    return ", ".join(filter(None, words))


def _machine(known: dict) -> dict[str, str]:
    found = {words: text(known.get(key)) for key, words in MACHINE.items()}
    memory = positive(known.get("memory_bytes"))
    found["memory"] = "" if memory is None else size(memory)
    return {words: value for words, value in found.items() if value}
