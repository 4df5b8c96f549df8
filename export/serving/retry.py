"""Try again, later and later, what may succeed later."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from export.errors import ExportError


class ServerError(ExportError):
    """A server did not answer, or refused; `retryable` where the same request may yet succeed."""

    def __init__(self, message: str, *, retryable: bool = False):
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True)
class Backoff:
    """How often and how long to wait; seconds."""

    retries: int = 5
    first: float = 0.05
    longest: float = 5.0

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds before retry number `attempt` (from 0), for a `chance` in 0..1.

        Anything from nothing to a limit that doubles: clients that failed together must not come
        back together.
        """
        return chance * min(self.longest, self.first * 2**attempt)


def retrying(call: Callable, backoff: Backoff, *, sleep=time.sleep, chance=random.random):
    """Return `call()`, called again after each ServerError that is retryable.

    Raises the last error once the retries are used up.
    """
    for attempt in range(backoff.retries):
        try:
            return call()
        except ServerError as error:
            if not error.retryable:
                raise
            sleep(backoff.delay(attempt, chance()))
    return call()
