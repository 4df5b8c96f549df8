"""How many artifacts are looked at at once."""

import os
from collections import namedtuple

import psutil
import pytest

from export.memory import allowed
from export.observe.ahead import COPIES, LOADED, RUNTIME, TOGETHER, jobs_for, may_look
from export.results import Cost

GB = 1_000_000_000


@pytest.fixture
def machine(monkeypatch):
    """Give the machine some cores and free memory."""

    def give(cores: int, free: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        memory = namedtuple("memory", "available")(free)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    return give


@pytest.mark.parametrize(
    ("cores", "free", "weight_bytes", "jobs"),
    [
        (2, 24 * GB, 5_000_000, 2),
        (1, 24 * GB, 5_000_000, 1),
        (64, 240 * GB, 5_000_000, TOGETHER // (RUNTIME + COPIES * 5_000_000)),
        (2, 24 * GB, 575_000_000, 1),
        (2, GB, 5_000_000, 1),
        (2, 0, 5_000_000, 1),
    ],
    ids=["small", "one core", "many cores", "a VGG", "little memory", "none"],
)
def test_cores_and_memory_say_how_many(machine, cores, free, weight_bytes, jobs):
    machine(cores, free)
    assert jobs_for(weight_bytes, None) == jobs


def test_a_number_that_is_asked_for_is_taken(machine):
    machine(1, 0)
    assert jobs_for(GB, 3) == 3


@pytest.mark.parametrize("weights", [5_000_000, 575_000_000])
def test_an_artifact_is_looked_at_early_where_no_more_is_taken_than_an_export_may(machine, weights):
    layers = 50_000_000
    reference = namedtuple("Reference", "weight_bytes layer_bytes")(weights, layers)
    most = int(allowed(weights)) - LOADED - COPIES * weights - layers
    machine(2, 24 * GB)
    for taken, early in ((most, True), (most + 1, False)):
        assert may_look(reference, Cost(1.0, 1.0, taken)) is early
    machine(2, 2 * (LOADED + COPIES * weights + layers) - 1)
    assert not may_look(reference, Cost(1.0, 1.0, 0)), "there is no memory for it"
    assert allowed(weights) == 1e9 + 2.5 * weights
