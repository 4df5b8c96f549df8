"""Work that takes turns on processors."""

import os
import threading

import pytest

from export.processors import AHEAD, ahead, processors


def test_those_that_this_process_may_use_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert processors() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


def test_results_come_in_order_and_errors_in_their_place():
    found = []
    for one in ahead(lambda number: 6 // number, [3, 0, 2]):
        try:
            found.append(one.result())
        except ZeroDivisionError:
            found.append("none")
    assert found == [2, "none", 3]


def test_no_more_is_begun_than_a_few_ahead_and_the_rest_is_dropped():
    begun, lock = [], threading.Lock()

    def work(number):
        with lock:
            begun.append(number)
        return number

    most = AHEAD * processors()
    results = ahead(work, range(100 * most))
    assert [next(results).result() for _ in range(3)] == [0, 1, 2]
    results.close()
    assert sorted(begun) == list(range(len(begun))) and 3 <= len(begun) <= most + 3


def test_work_is_shared_by_threads():
    together = threading.Barrier(2, timeout=20)
    if processors() < 2:
        pytest.skip("one processor does one thing at a time")
    for one in ahead(lambda _: together.wait(), range(4)):
        one.result()
