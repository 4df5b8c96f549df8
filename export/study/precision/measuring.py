"""Make one artifact in a process of its own, and take down what it came to."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError
from export.report.file import artifact_files
from export.study.precision.record import Key, Record, of_report
from export.study.zoo.record import VERIFIED
from export.study.zoo.running import Bounds, Done, ended, run, verdict_of


@dataclass(frozen=True, kw_only=True)
class Held:
    """Labelled pictures that accuracy is measured on, and the command that does so."""

    command: Sequence[str]  # a script, which is given artifacts, --images, --no-keras and --json
    images: Path


def export_once(
    key: Key, command: Sequence[str], bounds: Bounds, machine: str, held: Held | None = None
) -> Record:
    """Export by `command`, which is the script with its arguments but for --out and --json.

    The artifact is thrown away, once its accuracy was measured where pictures are `held` out.
    """
    load, began = os.getloadavg()[0], time.time()
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        done = run([*command, "--out", out, "--json"], bounds)
        reports = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
        verdict, line = verdict_of(done, reports)
        found = of_report(reports[0]) if reports else {}
        found |= {"written_s": _written(Path(out), began) if reports else None}
        if held and reports:
            found |= _accuracy(Path(out), held, bounds)
    return _record(key, done, verdict=verdict, line=line, machine=machine, load=load, **found)


def stock_once(key: Key, command: Sequence[str], bounds: Bounds, machine: str) -> Record:
    """Run tools of others by `command`, whose last line says how many bytes they wrote."""
    load = os.getloadavg()[0]
    done = run(command, bounds)
    verdict, line = ended(done)
    size = int(done.out.split()[-1]) if verdict == VERIFIED else 0
    return _record(key, done, verdict=verdict, line=line, machine=machine, load=load, bytes=size)


def _record(key: Key, done: Done, *, line: str, load: float, **more) -> Record:
    network, format, converter = key
    return Record(
        network=network,
        format=format,
        converter=converter,
        line=line[:500],
        wall_s=round(done.cost.wall_s, 1),
        peak_bytes=done.cost.peak_rss_bytes,
        load=round(load, 1),
        **more,
    )


def _written(out: Path, began: float) -> float:
    """Seconds from `began` until the files of the only artifact below `out` were whole."""
    (report,) = out.rglob("report.json")
    files = (report.parent / name for name in artifact_files(report.parent))
    return round(max(path.stat().st_mtime for path in files) - began, 1)


def _accuracy(out: Path, held: Held, bounds: Bounds) -> dict:
    """Top-1 of the only artifact below `out`, and of how many pictures."""
    (report,) = out.rglob("report.json")
    asked = [str(report.parent), "--images", str(held.images), "--no-keras", "--json"]
    done = run([*held.command, *asked], bounds)
    if done.status:
        raise ExportError(
            f"the accuracy of {report.parent.name} was not measured ({ended(done)[1]}); "
            "run it again"
        )
    found = json.loads(done.out)
    (network,) = found["networks"]
    return {"accuracy": network["top1"], "pictures": found["images"]["pictures"]}
