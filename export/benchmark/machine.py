"""The machine that figures were measured on, and what else ran there meanwhile."""

import os
import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Instructions that decide how fast numbers of 8 and 16 bits are.
TELLING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_int8")
BUSY = 0.15  # of all cores taken by other processes, above which figures are not to be trusted


def describe() -> dict:
    """What is known of the processor and the system."""
    info = _first_processor()
    flags = info.get("flags", "").split()
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "instructions": [flag for flag in TELLING if flag in flags],
        "governor": _read(GOVERNOR),
        "memory_bytes": _memory(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _first_processor() -> dict[str, str]:
    text = _read(CPUINFO) or ""
    lines = text.split("\n\n", 1)[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {re.sub(r"\s+$", "", key): value.strip() for key, _, value in pairs}


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None  # not Linux, or a virtual machine that hides it


def _memory() -> int:
    import psutil

    return psutil.virtual_memory().total


class OtherLoad:
    """Watches what processes other than the measured ones take of the processors."""

    def __init__(self):
        self._busy, self._whole = _processor_seconds()

    def share(self, own_cpu_s: float) -> float:
        """The share (0 to 1) of all cores that others took since this was made.

        `own_cpu_s` is what the measured processes took in that time.
        """
        busy, whole = _processor_seconds()
        passed = whole - self._whole
        return max(busy - self._busy - own_cpu_s, 0.0) / passed if passed > 0 else 0.0


def _processor_seconds() -> tuple[float, float]:
    """Seconds in which processors were busy, and seconds in all, summed over processors."""
    import psutil

    times = psutil.cpu_times()._asdict()
    waiting = times["idle"] + times.get("iowait", 0.0)
    counted = ("user", "nice", "system", "irq", "softirq", "steal")  # guests count as user
    busy = sum(times.get(name, 0.0) for name in counted)
    return busy, busy + waiting
