import time

from export.benchmark import machine


def test_the_machine_says_what_decides_its_speed():
    found = machine.describe()
    assert found["cores"] >= 1 and found["memory_bytes"] > 0 and found["cpu"]
    assert set(found["instructions"]) <= set(machine.TELLING)


def test_a_machine_without_proc_is_described_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(machine, "GOVERNOR", tmp_path / "none")
    found = machine.describe()
    assert found["cpu"] and found["governor"] is None and found["instructions"] == []


def test_other_load_is_what_the_measured_processes_did_not_take(monkeypatch):
    seconds = iter([(100.0, 1000.0), (107.0, 1020.0)])
    monkeypatch.setattr(machine, "_processor_seconds", lambda: next(seconds))
    assert machine.OtherLoad().share(own_cpu_s=3.0) == 0.2


def test_work_of_ones_own_is_no_other_load():
    watch, started = machine.OtherLoad(), time.process_time()
    while time.process_time() - started < 0.3:
        pass
    taken = time.process_time() - started
    assert watch.share(taken) <= watch.share(0.0)
