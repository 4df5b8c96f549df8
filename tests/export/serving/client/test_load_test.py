"""Many requests at once, and how long they took."""

from export.serving.client.load_test import percentiles, run_all


def test_percentiles_are_times_that_some_request_took():
    assert percentiles(range(1, 101)) == {"p50": 50_000, "p90": 90_000, "p99": 99_000}
    assert percentiles([0.004]) == {"p50": 4, "p90": 4, "p99": 4}
    assert percentiles([]) == {}


def test_many_at_once_keep_their_order_and_errors_lose_nobody():
    answers, _ = run_all(lambda n: 1 // n, [1, 0, 1], concurrency=3)
    assert [answer.result for answer in answers] == [1, None, 1]
    assert isinstance(answers[1].error, ZeroDivisionError)
