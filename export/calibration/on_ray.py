"""Calibration on many machines: actors run the network on pieces of the images.

What they see is joined in the order of the images, so that an interrupted calibration goes on, and
the ranges do not depend on which actor was first. Pictures have to lie under the same paths on
every machine; the weights are sent to each once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce

import numpy as np

from export.calibration.images import Calibration
from export.calibration.looking import EVERY, Look
from export.errors import ExportError

AGAIN = "run it again, and it goes on where it was"


def looked(
    calibration: Calibration, look: Look, fed: Mapping[str, np.ndarray], first: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield up to which image it has looked from `first` on, and what was seen since the last."""
    images, waiting, at = calibration.images, {}, first
    starts = range(first, len(images), EVERY)
    pieces = [{"about": f"images from {start}", "first": start} for start in starts]
    with calibration.cluster.holding(sum(values.nbytes for values in fed.values())) as cluster:
        for reply in cluster.replies(partial(_open, look), pieces, AGAIN, images, dict(fed)):
            waiting[reply["first"]] = reply
            while at in waiting:
                found = waiting.pop(at)
                at += found["count"]
                yield at, np.array(found["seen"])
    if at < len(images):
        raise ExportError(f"Ray left {len(images) - at} images without an answer; {AGAIN}")


def _open(look: Look, images: Sequence, fed: Mapping[str, np.ndarray]) -> Callable[[dict], dict]:
    """What looks at a piece, with one thread, as an actor has one processor."""
    see = look.open(fed, threads=1)

    def answer(piece: dict) -> dict:
        first = piece["first"]
        numbers = range(first, min(first + EVERY, len(images)))
        seen = reduce(look.join, (see(number, images[number]) for number in numbers))
        return {"first": first, "count": len(numbers), "seen": seen.tolist()}

    return answer
