"""Work for many machines: Ray Data hands pieces of it to actors, and their replies come as made.

Files have to lie under the same paths on every machine. A piece whose actor died is given to
another, and an actor that died is started again.
"""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.errors import ExportError, MissingPackage, in_one_line
from export.lazy import install, need

TRIES = 3  # of a piece, each of which ended an actor, after which the piece is at fault
MOST_TASKS = 4096  # of Ray for one job; pieces beyond share one
KNOCK_S = 10  # seconds in which a cluster's head has to answer
STORE = 100 << 20  # bytes of Ray's shared memory on this machine, where little passes through
ASKED, REPLY = "asked", "reply"  # columns of JSON

Work = Callable[..., Callable[[dict], dict]]  # what is shared -> what answers a piece


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, or a Ray that is started on this machine and ended. A context manager.

    There are `workers` actors of one thread each, or as many as processors. `address` is that of
    the cluster's head. `modules` are folders of packages that actors import, and are sent to a
    cluster. `store` bytes are kept for what the actors share, where Ray is started here.
    """

    workers: int | None = None
    address: str = ""
    modules: Sequence[Path] = ()
    store: int = STORE

    def holding(self, size: int) -> "Cluster":
        """The same, with room for `size` bytes that its actors share."""
        return replace(self, store=STORE + 2 * size)

    def __enter__(self) -> "Cluster":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what runs here
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors come as exceptions
        ray = _need_ray()
        try:
            _knock(self.address)
            ray.init(**(self._joined() if self.address else self._started()), **QUIET)
        except Exception as cause:  # of many types, by what of Ray failed
            where = f"Ray at {self.address}" if self.address else "Ray"
            why = " ".join(str(cause).split())[:300] or type(cause).__name__
            raise ExportError(
                f"{where} cannot be reached or started: {why}; see that its head runs, and that "
                "RAY_AUTH_MODE and RAY_AUTH_TOKEN are its own where it asks for a token"
            ) from cause
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)
        return self

    def _joined(self) -> dict:
        """How to join a cluster, to whose machines our packages are sent."""
        sent = [str(folder) for folder in self.modules]
        return {"address": self.address, "runtime_env": {"py_modules": sent}}

    def _started(self) -> dict:
        """How to start a Ray here, whose workers import what this process does."""
        found = [str(folder.parent) for folder in self.modules]
        found += filter(None, [os.environ.get("PYTHONPATH")])
        return {
            "address": "local",
            "num_cpus": self.workers,
            "include_dashboard": False,
            "object_store_memory": self.store,
            "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(dict.fromkeys(found))}},
        }

    def __exit__(self, *_) -> None:
        _need_ray().shutdown()

    def replies(self, work: Work, pieces: Sequence[dict], again: str, *shared) -> Iterator[dict]:
        """Yield the reply to each piece, in whatever order they come.

        Every actor calls `work(*shared)` once, whose result then answers pieces; `shared` values
        are sent once a machine. Pieces and replies are dicts that JSON holds; `about` names a piece
        in errors, and `again` says how to go on after one.

        Raises ExportError where a piece has no reply.
        """
        ray = _need_ray()
        asked = ray.data.from_items(
            [{ASKED: json.dumps({"number": n, **piece})} for n, piece in enumerate(pieces)],
            override_num_blocks=min(len(pieces), MOST_TASKS),
        )
        # Ray itself tries for ever, or gives up with what it has not tried yet.
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()
        references = [ray.put(value) for value in shared]
        answered = asked.map(
            Actor,
            fn_constructor_args=(work, again, tries, references),
            compute=ray.data.ActorPoolStrategy(size=self._actors(len(pieces))),
            num_cpus=1,
        )
        try:
            for block in answered.iter_batches(batch_size=None):
                for reply in map(json.loads, block[REPLY]):
                    if reply.get("error"):
                        raise ExportError(reply["error"])
                    yield reply
        except ray.exceptions.RayError as cause:
            why = " ".join(str(cause).split())[:300]
            raise ExportError(f"Ray stopped: {why}; {again}") from cause

    def _actors(self, pieces: int) -> int:
        """As many as are wanted and as there are processors for: Ray would wait for the rest."""
        there = int(_need_ray().cluster_resources().get("CPU", 0))
        if not there:
            raise ExportError("Ray has no processor that an actor could run on; add a worker to it")
        return max(1, min(self.workers or there, there, pieces))


QUIET = {"log_to_driver": False, "logging_level": logging.CRITICAL}


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at host:port: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), KNOCK_S).close()


def _need_ray():
    try:
        ray = need("ray", to="--engine ray")
        need("ray.data", to="--engine ray")
    except MissingPackage as missing:
        raise MissingPackage(f"{missing}, or {install('ray')}") from missing
    return ray


class Tries:
    """How often each piece was begun; in an actor of its own, that outlives the others."""

    def __init__(self):
        self._begun: dict[int, int] = {}

    def begin(self, piece: int) -> int:
        """Note one more try of a piece; return how many it had."""
        before = self._begun.get(piece, 0)
        self._begun[piece] = before + 1
        return before


class Actor:
    """Makes what answers pieces once, and answers them."""

    def __init__(self, work: Work, again: str, tries, references: list):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self._work, self._again, self._tries, self._shared = work, again, tries, references
        self._answer = None

    def __call__(self, row: dict) -> dict:
        try:
            reply = self._reply(json.loads(row[ASKED]))
        except Exception as error:  # whatever a runtime raises belongs into one line
            reply = {"error": in_one_line(error)}
        return {REPLY: json.dumps(reply)}

    def _reply(self, piece: dict) -> dict:
        """Answer one piece. The work is made here: in __init__ Ray would try for ever."""
        import ray

        if ray.get(self._tries.begin.remote(piece["number"])) >= TRIES:
            raise ExportError(
                f"{piece['about']} ended {TRIES} actors, perhaps for want of memory; {self._again}"
            )
        if self._answer is None:
            self._answer = self._work(*ray.get(self._shared))
        return self._answer(piece)
