"""Energy and throttling, where the machine tells them."""

import pytest

from export.benchmark import power


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(power, "ENERGY", tmp_path / "energy")
    monkeypatch.setattr(power, "THROTTLE", tmp_path / "cpus")

    def tell(zone="intel-rapl:0", energy=None, throttled=None):
        folder = tmp_path / "energy" / zone
        core = tmp_path / "cpus" / "cpu0" / "thermal_throttle"
        for path in (folder, core):
            path.mkdir(parents=True, exist_ok=True)
        if energy is not None:
            (folder / "energy_uj").write_text(f"{energy}\n")
            (folder / "max_energy_range_uj").write_text("9999999\n")
        if throttled is not None:
            (core / "core_throttle_count").write_text(f"{throttled}\n")

    return tell


def test_joules_are_those_of_packages_and_not_of_their_parts(machine):
    machine(energy=1_000_000)
    machine(zone="intel-rapl:0:0", energy=500_000)
    meter = power.Meter()
    machine(energy=3_500_000)
    machine(zone="intel-rapl:0:0", energy=900_000)
    assert meter.joules() == pytest.approx(2.5)


def test_a_counter_that_began_anew_is_no_negative_energy(machine):
    machine(energy=9_000_000)
    meter = power.Meter()
    machine(energy=1_000_000)
    assert meter.joules() == pytest.approx(2.0)


def test_a_machine_that_tells_nothing_gives_nothing(machine):
    assert power.Meter().joules() is None and not power.Meter().throttled()
    machine(throttled=0)
    assert power.Meter().joules() is None


def test_a_core_that_became_hot_is_noticed(machine):
    machine(throttled=4)
    meter = power.Meter()
    assert not meter.throttled()
    machine(throttled=5)
    assert meter.throttled()
