"""The engine of many machines: actors that decode and predict.

Each actor holds the network and takes pieces of a batch of pictures, so that no picture travels,
only paths and best classes. Pictures and artifacts have to lie under the same paths on every
machine.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from export.cluster import Cluster
from export.errors import ExportError
from export.evaluation.engine import Answer
from export.evaluation.predictor import Load
from export.evaluation.readers import Read, attempt
from export.evaluation.subjects import Subject

AGAIN = "go on with --resume and a smaller --batch"


class OnRay:
    """An `Engine` with the actors of a cluster."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster

    def __enter__(self) -> "OnRay":
        self._cluster.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._cluster.__exit__(*error)

    def answers(
        self, subject: Subject, paths: Sequence[Path], classes: int, batch: int
    ) -> Iterator[Answer]:
        pieces, left, ran = [_piece((), 0), *_pieces(paths, batch)], len(paths), ""
        work = partial(_open, subject.load, subject.read, classes)
        for reply in self._cluster.replies(work, pieces, AGAIN):
            if not ran:
                ran = reply["ran"]
                yield Answer(ran=ran)
            answer = _answer(reply)
            left -= len(answer.places) + len(answer.broken)
            yield answer
        if left:
            raise ExportError(f"Ray left {left} pictures without an answer; go on with --resume")


def _pieces(paths: Sequence[Path], batch: int) -> Iterator[dict]:
    for start in range(0, len(paths), batch):
        yield _piece(paths[start : start + batch], start)


def _piece(paths: Sequence[Path], start: int) -> dict:
    """Pictures to answer; without any it is answered as soon as the network is loaded."""
    about = f"{len(paths)} pictures from {paths[0]}" if paths else "loading the network"
    return {"about": about, "start": start, "paths": [str(path) for path in paths]}


def _answer(reply: dict) -> Answer:
    return Answer(
        ran=reply["ran"],
        places=reply["places"],
        best=np.array(reply["best"], np.int32) if reply["places"] else None,
        broken={int(place): reason for place, reason in reply["broken"].items()},
    )


def _open(load: Load, read: Read, classes: int) -> Callable[[dict], dict]:
    """Load the network; return what answers a piece with the fields of an Answer."""
    network = load(threads=1)

    def answer(piece: dict) -> dict:
        places, images, broken = [], [], {}
        for place, path in enumerate(piece["paths"], piece["start"]):
            image = attempt(read, Path(path))
            if isinstance(image, str):
                broken[place] = image
            else:
                places.append(place)
                images.append(image)
        best = network.best(np.stack(images), classes).tolist() if images else []
        return {"ran": network.ran, "places": places, "best": best, "broken": broken}

    return answer
