"""What an export took: the whole process tree, and no sampling that outlives who asked for it."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from export.cost import Meter, is_a_copy
from export.errors import MissingLane
from export.exporting import Export
from export.memory import give_memory_back

CHILD = "held = bytearray(300_000_000); held[::4096] = b'x' * len(held[::4096]); input()"


def samplers() -> int:
    return sum(thread.name.endswith("(_watch)") for thread in threading.enumerate())


@pytest.fixture
def before():
    """How many samplers there are without the test's own."""
    gc.collect()
    return samplers()


def until(true) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_process_that_was_started_can_be_measured_by_itself():
    with psutil.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE) as child:
        meter = Meter(child)
        assert until(lambda: meter.read().peak_rss_bytes > 300_000_000)
        child.communicate(b"\n")
    meter.close()
    assert 300_000_000 < meter.read().peak_rss_bytes < 400_000_000


def test_the_memory_of_child_processes_counts():
    meter = Meter()
    alone = meter.read().peak_rss_bytes
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE) as child:
        assert until(lambda: meter.read().peak_rss_bytes > alone + 250_000_000)
        child.communicate(b"\n")
    cost = meter.read()
    meter.close()
    assert cost.peak_rss_bytes > alone + 250_000_000, "a peak stays when the child is gone"
    assert cost.wall_s > 0 and cost.cpu_s > 0


def test_what_the_process_did_before_is_no_cost():
    """A notebook runs for hours, and a shell that hands its process over ran something else."""
    code = (
        "import time; sum(range(10_000_000)); time.sleep(1)\n"
        "from export.cost import Meter\n"
        "meter = Meter(); cost = meter.read(); meter.close(); print(cost.wall_s, cost.cpu_s)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, cpu = map(float, said.stdout.split())
    assert wall < 0.5 and cpu < 0.2


def test_work_for_one_format_is_no_cost_of_another():
    give_memory_back()  # or what tests before have left may go meanwhile
    meter = Meter()
    with meter.on("onnx"):
        held = bytearray(200_000_000)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(0.4)
        del held
    with meter.on("savedmodel"):
        time.sleep(0.2)
        own, other, all_ = meter.read("savedmodel"), meter.read("onnx"), meter.read()
    meter.close()
    assert own.wall_s >= 0.2
    assert own.wall_s + 0.1 < other.wall_s, "0.2 s each are their own"
    assert all_.wall_s > own.wall_s + 0.3
    assert own.peak_rss_bytes + 150_000_000 < other.peak_rss_bytes


def test_sampling_ends_where_it_is_closed(before):
    meter = Meter()
    assert samplers() == before + 1
    meter.close()
    assert samplers() == before


def test_sampling_ends_with_an_export_that_failed(before):
    def export():
        meter = Meter()
        assert samplers() == before + 1
        raise RuntimeError(f"failed after {meter.read().wall_s} s")

    with pytest.raises(RuntimeError, match="failed after"):
        export()
    gc.collect()
    assert until(lambda: samplers() == before)


def test_making_a_lane_is_no_cost_of_an_artifact(toy, tmp_path, monkeypatch):
    def make_slowly(*_):
        time.sleep(0.3)
        raise MissingLane("there is none")

    monkeypatch.setattr("export.exporting.make_lane", make_slowly)
    with Export(tmp_path, ["tftrt-fp16"]) as export:
        with pytest.raises(MissingLane):
            export.write(toy("plain"))
        assert export.meter.read().wall_s - export.meter.read("tftrt-fp16").wall_s > 0.25


def test_a_process_that_is_still_a_copy_of_its_parent_takes_nothing():
    """As between fork and exec, which on a busy machine is long enough to be sampled."""
    command = [sys.executable, "-c", "import time; time.sleep(0.2)"]
    ready, go = os.pipe()
    pid = os.fork()
    if not pid:  # what comes before the other program
        os.read(ready, 1)
        os.execv(command[0], command)
    try:
        child = psutil.Process(pid)
        assert is_a_copy(child)
        os.write(go, b".")
        while child.cmdline() != command:
            time.sleep(0.01)
        assert not is_a_copy(child)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(go)
