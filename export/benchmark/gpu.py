"""What an NVIDIA GPU says of itself while a process runs on it, by NVML; nothing is ever set."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from export.errors import MissingPackage
from export.lazy import need

EVERY_S = 0.1  # seconds between two looks
# Bits of NVML's reasons for lower clocks that make a figure doubtful.
SLOWED = {
    0x4: "its power limit",
    0x8: "the hardware",
    0x20: "heat",
    0x40: "heat",
    0x80: "the power supply",
}


@dataclass(kw_only=True)
class Seen:
    """What was seen of the GPU during one turn or several."""

    name: str = ""
    sm_mhz: int | None = None  # the lowest clock of its processors
    most_sm_mhz: int | None = None  # what the clock may be
    temperature_c: int | None = None  # the highest
    peak_bytes: int | None = None  # of its memory, by the process alone
    joules: float | None = None
    slowed: set[str] = field(default_factory=set)  # by what

    def look(self, nvml, gpu, pid: int) -> None:
        self.sm_mhz = _least(self.sm_mhz, nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM))
        heat = nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
        self.temperature_c = _most(self.temperature_c, heat)
        for process in nvml.nvmlDeviceGetComputeRunningProcesses(gpu):
            if process.pid == pid and process.usedGpuMemory is not None:
                self.peak_bytes = _most(self.peak_bytes, process.usedGpuMemory)
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)
        self.slowed |= {by for bit, by in SLOWED.items() if reasons & bit}

    def join(self, other: "Seen") -> "Seen":
        """What was seen in both turns."""
        joules = (self.joules, other.joules)
        return Seen(
            name=other.name,
            sm_mhz=_least(self.sm_mhz, other.sm_mhz),
            most_sm_mhz=other.most_sm_mhz,
            temperature_c=_most(self.temperature_c, other.temperature_c),
            peak_bytes=_most(self.peak_bytes, other.peak_bytes),
            joules=None if None in joules else sum(joules),
            slowed=self.slowed | other.slowed,
        )


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


@contextmanager
def watch(device: str, pid: int) -> Iterator[Seen | None]:
    """Look at the GPU that process `pid` runs on; None where `device` is none, or NVML is absent.

    It is the first of CUDA_VISIBLE_DEVICES, or the first there is.
    """
    nvml = _nvml() if device == "gpu" else None
    if nvml is None:
        yield None
        return
    try:
        gpu = _visible(nvml)
        seen, ended = Seen(name=_text(nvml.nvmlDeviceGetName(gpu))), threading.Event()
        seen.most_sm_mhz = nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM)
        before = _millijoules(nvml, gpu)
        thread = threading.Thread(target=_look_on, args=(seen, nvml, gpu, pid, ended))
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()
            after = _millijoules(nvml, gpu)
            if None not in (before, after):
                seen.joules = (after - before) / 1000
    finally:
        nvml.nvmlShutdown()


def _look_on(seen: Seen, nvml, gpu, pid: int, ended: threading.Event) -> None:
    while True:
        try:
            seen.look(nvml, gpu, pid)
        except nvml.NVMLError:
            return  # a card that does not tell; what it told stays
        if ended.wait(EVERY_S):
            return


def _nvml():
    try:
        nvml = need("pynvml", to="reading a GPU's clocks")
    except MissingPackage:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _visible(nvml):
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if first.startswith("GPU-"):
        return nvml.nvmlDeviceGetHandleByUUID(first)
    return nvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdigit() else 0)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _millijoules(nvml, gpu) -> int | None:
    try:
        return nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except nvml.NVMLError:
        return None
