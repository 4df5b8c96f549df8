"""Retry what may succeed later, with waits that double."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_any

from export.errors import ExportError


class ServerError(ExportError):
    """A server did not answer or refused; `retryable` if the same request may succeed later."""

    def __init__(self, message: str, *, retryable: bool = False):
        super().__init__(message)
        self.retryable = retryable


class Deadline:
    """A moment `seconds` from now; infinity means never."""

    def __init__(self, seconds: float):
        self.ends = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, 0 once it has passed."""
        return max(0.0, self.ends - time.monotonic())


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How many retries there are, and how long to wait before them, in seconds."""

    retries: int = 5
    first: float = 0.05
    longest: float = 5.0
    total: float = math.inf  # of all tries and waits together

    def __post_init__(self):
        if self.retries < 0 or not (self.first >= 0 and self.longest >= 0 and self.total > 0):
            raise ValueError(
                "retries and waits are at least 0, and all together take more than 0 seconds. "
                f"Received: {self}"
            )

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds before retry `attempt` (from 0): a share of a limit that doubles.

        `chance` is that share, 0 to 1. It is random, because clients that failed together must not
        come back together.
        """
        return chance * min(self.longest, self.first * 2 ** min(attempt, 60))


def _half_or_more() -> float:
    """Return a share of at least half, so that the waits last at least half of their limits."""
    return random.uniform(0.5, 1.0)


def retrying(
    call: Callable,
    backoff: Backoff,
    deadline: Deadline | None = None,
    *,
    sleep=time.sleep,
):
    """Return `call()`, called again after each ServerError that is retryable.

    Raises the last error once the retries are used up, or if the next one would begin after
    `deadline`, by default `backoff.total` from now.
    """
    deadline = deadline or Deadline(backoff.total)
    tries = Retrying(
        retry=retry_if_exception(lambda error: getattr(error, "retryable", False)),
        wait=lambda state: backoff.delay(state.attempt_number - 1, _half_or_more()),
        stop=stop_any(
            stop_after_attempt(backoff.retries + 1),
            lambda state: state.upcoming_sleep >= deadline.left(),
        ),
        sleep=sleep,
        reraise=True,
    )
    return tries(call)
