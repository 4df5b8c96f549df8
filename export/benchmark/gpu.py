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
    unknown: bool = False  # whether the card does not tell what slows it

    def look(self, nvml, gpu, pid: int) -> None:
        """Take down what the card tells now; what it does not tell stays None."""
        clock = _told(nvml, nvml.nvmlDeviceGetClockInfo, gpu, nvml.NVML_CLOCK_SM)
        heat = _told(nvml, nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU)
        self.sm_mhz = _least(self.sm_mhz, clock)
        self.temperature_c = _most(self.temperature_c, heat)
        for process in _told(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, gpu) or ():
            if process.pid == pid:
                self.peak_bytes = _most(self.peak_bytes, process.usedGpuMemory)
        reasons = _told(nvml, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, gpu)
        self.unknown |= reasons is None
        self.slowed |= {by for bit, by in SLOWED.items() if (reasons or 0) & bit}

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
            unknown=self.unknown or other.unknown,
        )


def _told(nvml, ask, *what):
    """What the card answers; None where it does not tell."""
    try:
        return ask(*what)
    except nvml.NVMLError:
        return None


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


@contextmanager
def watch(device: str, pid: int) -> Iterator[Seen | None]:
    """Look at the GPU that process `pid` runs on.

    None where `device` is none, where NVML is absent, or where it is not certain which card it is:
    CUDA numbers several by their speed, and NVML by their place, unless CUDA_DEVICE_ORDER says so.
    """
    nvml = _nvml() if device == "gpu" else None
    if nvml is None:
        yield None
        return
    try:
        gpu = _told(nvml, _visible, nvml)
        if gpu is None:
            yield None
            return
        seen, ended = Seen(name=_text(_told(nvml, nvml.nvmlDeviceGetName, gpu))), threading.Event()
        seen.most_sm_mhz = _told(nvml, nvml.nvmlDeviceGetMaxClockInfo, gpu, nvml.NVML_CLOCK_SM)
        before = _told(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, gpu)
        thread = threading.Thread(target=_look_on, args=(seen, nvml, gpu, pid, ended))
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()
            after = _told(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, gpu)
            if None not in (before, after):
                seen.joules = (after - before) / 1000
    finally:
        nvml.nvmlShutdown()


def _look_on(seen: Seen, nvml, gpu, pid: int, ended: threading.Event) -> None:
    seen.look(nvml, gpu, pid)
    while not ended.wait(EVERY_S):
        seen.look(nvml, gpu, pid)


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
    """The first card that CUDA sees; None where that is not certain."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(first)
    by_place = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or nvml.nvmlDeviceGetCount() == 1
    return nvml.nvmlDeviceGetHandleByIndex(int(first)) if by_place and first.isdigit() else None


def _text(name: str | bytes | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""
