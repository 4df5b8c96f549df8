"""What may succeed later is tried again, after waits that double."""

import pytest

from export.serving.client import Backoff, ServerError
from export.serving.client.retry import retrying


def test_the_wait_between_retries_doubles_up_to_its_limit_and_is_spread_by_chance():
    backoff = Backoff(first=0.1, longest=1.0)
    assert [backoff.delay(n, 1.0) for n in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.delay(3, 0.25) == pytest.approx(0.2)


def test_only_what_may_succeed_later_is_tried_again():
    calls, slept = [], []

    def failing(retryable):
        calls.append(retryable)
        raise ServerError("no", retryable=retryable)

    for retryable, tries in ((True, 4), (False, 1)):
        calls.clear()
        with pytest.raises(ServerError):
            retrying(lambda r=retryable: failing(r), Backoff(retries=3), sleep=slept.append)
        assert len(calls) == tries
    for wait, longest in zip(slept, (0.05, 0.1, 0.2), strict=True):
        assert longest / 2 <= wait <= longest
