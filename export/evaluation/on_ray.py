"""The engine of many machines: Ray Data hands pictures to actors that decode and predict.

Each actor holds the network and takes pieces of a batch of pictures, so that no picture travels,
only paths and best classes. Pictures and artifacts have to lie under the same paths on every
machine. A piece whose actor died is given to another, and an actor that died is started again.
"""

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from export.errors import ExportError, MissingPackage
from export.evaluation.engine import Answer
from export.evaluation.predictor import Load, in_one_line
from export.evaluation.readers import Read, attempt
from export.evaluation.subjects import Subject
from export.lazy import install, need

TRIES = 3  # of a piece, each of which ended an actor, after which the piece is at fault
MOST_TASKS = 4096  # of Ray in one evaluation; pieces beyond share one
KNOCK_S = 10  # seconds in which a cluster's head has to answer
STORE = 100 << 20  # bytes of Ray's shared memory on this machine, where little passes through
ASKED, REPLY = "asked", "reply"  # columns of JSON


class OnRay:
    """An `Engine` with `workers` actors, of one thread each, on the Ray cluster at `address`.

    Without an address a Ray of this machine is started and ended. Without `workers` there are as
    many actors as processors. `modules` are folders of packages that actors import, and are sent
    to a cluster.
    """

    def __init__(self, workers: int | None = None, address: str = "", modules: Sequence[Path] = ()):
        self._workers, self._address, self._modules = workers, address, modules

    def __enter__(self) -> "OnRay":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what runs here
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors come as exceptions
        self._ray = _need_ray()
        try:
            _knock(self._address)
            self._ray.init(**(self._joined() if self._address else self._started()), **QUIET)
        except Exception as cause:  # of many types, by what of Ray failed
            where = f"Ray at {self._address}" if self._address else "Ray"
            why = " ".join(str(cause).split())[:300] or type(cause).__name__
            raise ExportError(
                f"{where} cannot be reached or started: {why}; see that its head runs, and that "
                "RAY_AUTH_MODE and RAY_AUTH_TOKEN are its own where it asks for a token"
            ) from cause
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)
        return self

    def _joined(self) -> dict:
        """How to join a cluster, to whose machines our packages are sent."""
        sent = [str(folder) for folder in self._modules]
        return {"address": self._address, "runtime_env": {"py_modules": sent}}

    def _started(self) -> dict:
        """How to start a Ray here, whose workers import what this process does."""
        found = [str(folder.parent) for folder in self._modules]
        found += filter(None, [os.environ.get("PYTHONPATH")])
        return {
            "address": "local",
            "num_cpus": self._workers,
            "include_dashboard": False,
            "object_store_memory": STORE,
            "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(dict.fromkeys(found))}},
        }

    def __exit__(self, *_) -> None:
        self._ray.shutdown()

    def answers(
        self, subject: Subject, paths: Sequence[Path], classes: int, batch: int
    ) -> Iterator[Answer]:
        pieces = [
            {"places": list(range(start, min(start + batch, len(paths)))),
             "paths": [str(path) for path in paths[start : start + batch]]}
            for start in range(0, len(paths), batch)
        ]  # fmt: skip
        left, ran = len(paths), ""
        for reply in self._replies(subject, classes, [EMPTY, *pieces]):
            if reply["error"]:
                raise ExportError(reply["error"])
            if not ran:
                ran = reply["ran"]
                yield Answer(ran=ran)
            answer = _answer(reply)
            left -= len(answer.places) + len(answer.broken)
            yield answer
        if left:
            raise ExportError(f"Ray left {left} pictures without an answer; go on with --resume")

    def _replies(self, subject: Subject, classes: int, pieces: list[dict]) -> Iterator[dict]:
        """Yield what the actors say of each piece, in whatever order they come."""
        data = self._ray.data
        asked = data.from_items(
            [{ASKED: json.dumps(piece)} for piece in pieces],
            override_num_blocks=min(len(pieces), MOST_TASKS),
        )
        answered = asked.map(
            Answerer,
            fn_constructor_args=(subject.load, subject.read, classes, self._tries()),
            compute=data.ActorPoolStrategy(size=self._actors(len(pieces))),
            num_cpus=1,
        )
        try:
            for block in answered.iter_batches(batch_size=None):
                yield from map(json.loads, block[REPLY])
        except self._ray.exceptions.RayError as cause:
            raise ExportError(
                f"Ray stopped while it ran {subject.name}: {' '.join(str(cause).split())[:300]}; "
                "go on with --resume"
            ) from cause

    def _tries(self):
        """Counts how often a piece was begun, in an actor of its own that outlives the others.

        Ray itself tries for ever, or gives up with what it has not tried yet.
        """
        return self._ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()

    def _actors(self, pieces: int) -> int:
        """As many as are wanted and as there are processors for: Ray would wait for the rest."""
        there = int(self._ray.cluster_resources().get("CPU", 0))
        if not there:
            raise ExportError("Ray has no processor that an actor could run on; add a worker to it")
        return max(1, min(self._workers or there, there, pieces))


EMPTY = {"places": [], "paths": []}  # answered as soon as the network is loaded
QUIET = {"log_to_driver": False, "logging_level": logging.CRITICAL}


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at host:port: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), KNOCK_S).close()


def _need_ray():
    try:
        ray = need("ray", to="evaluation by --engine ray")
        need("ray.data", to="evaluation by --engine ray")
    except MissingPackage as missing:
        raise MissingPackage(f"{missing}, or {install('ray')}") from missing
    return ray


def _answer(reply: dict) -> Answer:
    return Answer(
        ran=reply["ran"],
        places=reply["places"],
        best=np.array(reply["best"], np.int32) if reply["places"] else None,
        broken={int(place): reason for place, reason in reply["broken"].items()},
    )


class Tries:
    """How often each piece was begun."""

    def __init__(self):
        self._begun: dict[int, int] = {}

    def begin(self, piece: int) -> int:
        """Note one more try of a piece, named by its first picture; return how many it had."""
        before = self._begun.get(piece, 0)
        self._begun[piece] = before + 1
        return before


class Answerer:
    """An actor: loads the network once, and answers pieces."""

    def __init__(self, load: Load, read: Read, classes: int, tries):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self._load, self._read, self._classes, self._tries = load, read, classes, tries
        self._network = None

    def __call__(self, row: dict) -> dict:
        try:
            piece = json.loads(row[ASKED])
            self._begin(piece)
            reply = {"error": "", **self._piece(piece)}
        except Exception as error:  # whatever a runtime raises belongs into the table's one line
            reply = {"error": in_one_line(error)}
        return {REPLY: json.dumps(reply)}

    def _begin(self, piece: dict) -> None:
        """Raise ExportError where the piece has ended actors before, as often as it may."""
        import ray

        places, paths = piece["places"], piece["paths"]
        if ray.get(self._tries.begin.remote(places[0] if places else -1)) >= TRIES:
            what = f"{len(paths)} pictures from {paths[0]}" if paths else "loading the network"
            raise ExportError(
                f"{what} ended {TRIES} actors, perhaps for want of memory; "
                "go on with --resume and a smaller --batch"
            )

    def _piece(self, piece: dict) -> dict:
        """Answer one piece. The network loads here: in __init__ Ray would try for ever."""
        if self._network is None:
            self._network = self._load(threads=1)
        places, images, broken = [], [], {}
        for place, path in zip(piece["places"], map(Path, piece["paths"]), strict=True):
            image = attempt(self._read, path)
            if isinstance(image, str):
                broken[place] = image
            else:
                places.append(place)
                images.append(image)
        best = self._best(images) if images else []
        return {"ran": self._network.ran, "places": places, "best": best, "broken": broken}

    def _best(self, images: list[np.ndarray]) -> list[list[int]]:
        return self._network.best(np.stack(images), self._classes).tolist()
