"""What is read of a GPU, by a stand-in of NVML: no GPU is here."""

import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from export.benchmark import gpu
from export.benchmark.gpu import Seen, watch


@pytest.fixture
def nvml(monkeypatch):
    """A card whose clock falls and whose energy grows with each look."""
    module, looks = ModuleType("pynvml"), iter(range(10**9))
    module.NVMLError = type("NVMLError", (Exception,), {})
    module.NVML_CLOCK_SM, module.NVML_TEMPERATURE_GPU, module.closed = 1, 0, []
    module.nvmlInit = lambda: None
    module.nvmlDeviceGetCount = lambda: 4
    module.nvmlShutdown = lambda: module.closed.append(True)
    module.nvmlDeviceGetHandleByIndex = lambda index: ("card", index)
    module.nvmlDeviceGetHandleByUUID = lambda uuid: ("card", uuid)
    module.nvmlDeviceGetName = lambda card: f"Card {card[1]}".encode()
    module.nvmlDeviceGetMaxClockInfo = lambda card, kind: 1980
    module.nvmlDeviceGetClockInfo = lambda card, kind: 1900 - next(looks)
    module.nvmlDeviceGetTemperature = lambda card, kind: 61
    module.nvmlDeviceGetComputeRunningProcesses = lambda card: [
        SimpleNamespace(pid=7, usedGpuMemory=500), SimpleNamespace(pid=8, usedGpuMemory=900),
    ]  # fmt: skip
    module.nvmlDeviceGetCurrentClocksThrottleReasons = lambda card: 0x1 | 0x20
    module.nvmlDeviceGetTotalEnergyConsumption = lambda card: 1000 * next(looks)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr(gpu, "EVERY_S", 0.001)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return module


def test_clocks_heat_memory_and_energy_are_those_of_the_turn_and_the_process(nvml):
    with watch("gpu", 7) as seen:
        time.sleep(0.05)
    assert (seen.name, seen.most_sm_mhz, seen.temperature_c) == ("Card 0", 1980, 61)
    assert seen.peak_bytes == 500 and seen.sm_mhz < 1899 and seen.joules >= 1
    assert seen.slowed == {"heat"} and nvml.closed == [True]


@pytest.mark.parametrize(
    ("visible", "name"), [("3,1", "Card 3"), ("GPU-a1", "Card GPU-a1"), ("MIG-b2,0", "Card MIG-b2")]
)
def test_the_card_is_the_first_that_is_visible(nvml, monkeypatch, visible, name):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with watch("gpu", 7) as seen:
        pass
    assert seen.name == name


@pytest.mark.parametrize(
    ("visible", "order"), [("1", ""), ("-1", "PCI_BUS_ID"), ("", "PCI_BUS_ID")]
)
def test_a_card_that_is_not_certain_is_not_described(nvml, monkeypatch, visible, order):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    with watch("gpu", 7) as seen:
        assert seen is None
    assert nvml.closed == [True]


def test_a_card_that_tells_nothing_of_what_slows_it_is_said_and_the_rest_is_kept(nvml):
    def refuse(*what):
        raise nvml.NVMLError

    nvml.nvmlDeviceGetCurrentClocksThrottleReasons = nvml.nvmlDeviceGetClockInfo = refuse
    nvml.nvmlDeviceGetName = nvml.nvmlDeviceGetMaxClockInfo = refuse
    with watch("gpu", 7) as seen:
        pass
    assert seen.unknown and (seen.name, seen.sm_mhz, seen.temperature_c) == ("", None, 61)


def test_a_card_that_does_not_tell_its_energy_leaves_it_open(nvml):
    def refuse(card):
        raise nvml.NVMLError

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    with watch("gpu", 7) as seen:
        pass
    assert seen.joules is None and seen.temperature_c == 61


def test_nothing_is_read_for_a_processor_or_without_nvml(nvml, monkeypatch):
    with watch("cpu", 7) as seen:
        assert seen is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with watch("gpu", 7) as seen:
        assert seen is None


def test_turns_are_joined_by_the_lowest_clock_and_the_highest_heat():
    one = Seen(name="a", sm_mhz=1500, temperature_c=60, joules=2.0, slowed={"heat"})
    two = Seen(name="a", sm_mhz=1600, temperature_c=70, joules=3.0, peak_bytes=9)
    both = one.join(two)
    assert (both.sm_mhz, both.temperature_c, both.peak_bytes, both.joules) == (1500, 70, 9, 5.0)
    assert both.slowed == {"heat"}
