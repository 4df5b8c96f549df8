"""What a processor says of its energy and of throttling; most virtual machines say nothing."""

from pathlib import Path

ENERGY = Path("/sys/class/powercap")  # RAPL, of Intel and AMD; often for root alone
THROTTLE = Path("/sys/devices/system/cpu")


class Meter:
    """Counts from when it is made."""

    def __init__(self):
        self._energy, self._throttled = _energies(), _throttled()

    def joules(self) -> float | None:
        """What the processor packages took since; None where that is not told."""
        now = _energies()
        if not self._energy or now.keys() != self._energy.keys():
            return None
        return sum(
            (now[zone][0] - before) % most / 1e6 for zone, (before, most) in self._energy.items()
        )

    def throttled(self) -> bool:
        """Whether a core was slowed down since because it was hot."""
        return _throttled() > self._throttled


def _energies() -> dict[str, tuple[int, int]]:
    """Microjoules of each package, and where the counter begins anew."""
    found = {}
    for zone in sorted(ENERGY.glob("intel-rapl:*")):
        if zone.name.count(":") == 1:  # those of two colons are parts of a package
            values = [_whole(zone / name) for name in ("energy_uj", "max_energy_range_uj")]
            if None not in values and values[1]:
                found[zone.name] = (values[0], values[1] + 1)
    return found


def _throttled() -> int:
    counts = THROTTLE.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    return sum(_whole(path) or 0 for path in counts)


def _whole(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None  # not told, or not to us
