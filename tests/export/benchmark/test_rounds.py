import math
from contextlib import contextmanager

import pytest

from export.benchmark import rounds
from export.benchmark.gpu import Seen
from export.benchmark.rounds import Runner, figures, run_rounds
from export.errors import ExportError
from export.progress import silent


def runner(name, jobs, milliseconds=2.0, breaks=None):
    """A runner whose calls take `milliseconds`, and which notes what it was asked in `jobs`."""

    def ask(job):
        jobs.append((name, job["do"]))
        if breaks and len(jobs) > breaks:
            raise ExportError(f"{name} was killed")
        answer = {"error": "", "cpu_s": 1.0, "peak_rss_bytes": 7}
        if job["do"] == "stream":
            taken = [int(milliseconds * 1e6)] * 100
            answer |= {"nanoseconds": taken, "valid": True, "why": "", "p50_ns": taken[0]}
            answer |= {"device_ms": [0.5 * milliseconds] * 100}
        if job["do"] == "loop":
            answer |= {"nanoseconds": [int(milliseconds * 1e6)] * 9}
        if job["do"] == "offline":
            answer |= {"samples_per_s": job["rate"], "valid": True, "why": ""}
        return answer

    return Runner(name=name, ask=ask, load_s=0.1, first_ms={1: 5.0})


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(rounds.OtherLoad, "share", lambda self, own: 0.0)


def test_runners_have_their_turns_in_an_order_that_turns_round(quiet):
    jobs = []
    run_rounds([runner("a", jobs), runner("b", jobs)], 1, 2, 0.1, silent)
    assert [name for name, do in jobs if do == "stream"] == ["a", "b", "b", "a"]
    assert [name for name, do in jobs if do == "warm"] == ["a", "b"]


def test_figures_are_of_all_calls_and_valid_where_rounds_agree(quiet):
    taken = run_rounds([runner("a", [])], 4, 3, 0.1, silent)["a"]
    found = figures(taken)
    assert (found["median_ms"], found["p90_ms"], found["calls"]) == (2.0, 2.0, 300)
    assert found["valid"] and found["why"] == ""
    assert found["device_median_ms"] == 1.0
    # Offline was asked for more than the latencies promise, which loadgen wants.
    assert found["images_per_s"] == pytest.approx(1.3 * 4 * 500)


def test_a_bare_loop_stands_beside_loadgen_and_is_first_in_every_other_round(quiet):
    jobs = []
    taken = run_rounds([runner("a", jobs)], 1, 2, 0.1, silent, loop=True)["a"]
    assert [do for _, do in jobs] == ["warm", "stream", "loop", "loop", "stream", "offline"]
    assert figures(taken)["pairs_ms"] == [(2.0, 2.0)] * 2
    assert figures(taken)["medians_ms"] == [2.0, 2.0]


def test_a_gpu_that_was_slowed_makes_a_figure_doubtful_and_is_in_the_record(quiet, monkeypatch):
    @contextmanager
    def watch(device, pid):
        yield Seen(name="Card", sm_mhz=1200, joules=200.0, slowed={"heat", "its power limit"})

    monkeypatch.setattr(rounds, "watch", watch)
    found = figures(run_rounds([runner("a", [])], 4, 2, 0.1, silent)["a"])
    assert not found["valid"] and found["why"] == "the GPU was slowed by heat and its power limit"
    assert found["gpu"]["sm_mhz"] == 1200 and found["gpu"]["joules_per_image"] == 0.5


def test_energy_is_of_an_image_and_a_hot_processor_makes_a_figure_doubtful(quiet, monkeypatch):
    monkeypatch.setattr(rounds.Meter, "joules", lambda self: 400.0)
    monkeypatch.setattr(rounds.Meter, "throttled", lambda self: True)
    found = figures(run_rounds([runner("a", [])], 4, 1, 0.1, silent)["a"])
    assert found["joules_per_image"] == 1.0 and not found["valid"]
    assert found["why"] == "the processor was throttled because it was hot"


def test_other_processes_make_a_figure_doubtful(monkeypatch):
    monkeypatch.setattr(rounds.OtherLoad, "share", lambda self, own: 0.5)
    found = figures(run_rounds([runner("a", [])], 1, 1, 0.1, silent)["a"])
    assert not found["valid"]
    assert found["why"] == "other processes took 50 % of the processors"
    assert found["median_ms"] == 2.0


def test_one_that_dies_leaves_the_others_their_turns(quiet):
    jobs = []
    dying = runner("b", jobs, breaks=3)
    found = run_rounds([runner("a", jobs), dying], 1, 2, 0.1, silent)
    assert dying.died == "b was killed"
    assert len(found["a"].medians) == 2 and found["b"].medians == []
    assert figures(found["b"]) == {"median_ms": None, "valid": False}


def test_what_few_calls_cannot_bound_is_none(quiet):
    taken = run_rounds([runner("a", [])], 1, 1, 0.1, silent)["a"]
    taken.latencies, taken.images_per_s = [1.0, 2.0], math.nan
    found = figures(taken)
    assert found["p99_high_ms"] is None and found["images_per_s"] is None
