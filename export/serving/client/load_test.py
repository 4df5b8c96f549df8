"""Send many requests at once, and measure how long they take."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Answer:
    """The outcome of one request: `result` or `error`, after `seconds` with all its retries."""

    request: object
    seconds: float
    result: object = None
    error: Exception | None = None


def run_all(call: Callable, requests: Iterable, concurrency: int) -> tuple[list[Answer], float]:
    """Call `call` on every request, `concurrency` at a time.

    Returns the answers in the order of the requests, and the seconds that all took together. An
    exception is an answer; only KeyboardInterrupt ends the run.
    """

    def one(request) -> Answer:
        begin = time.perf_counter()
        try:
            result, error = call(request), None
        except Exception as caught:  # one request must not lose the others
            result, error = None, caught
        return Answer(request, time.perf_counter() - begin, result, error)

    begin = time.perf_counter()
    pool = ThreadPoolExecutor(concurrency)
    try:
        answers = list(pool.map(one, requests))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return answers, time.perf_counter() - begin


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Return p50, p90 and p99 in milliseconds, each a time that some request took."""
    import numpy as np  # late: whoever only checks pictures needs none of it

    taken = list(seconds)
    if not taken:
        return {}
    # The nearest rank: at least that share of the requests was no slower.
    found = np.percentile(taken, PERCENTILES, method="inverted_cdf")
    return {f"p{p}": 1000 * float(value) for p, value in zip(PERCENTILES, found, strict=True)}
