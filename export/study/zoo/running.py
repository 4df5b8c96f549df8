"""Run one export in a process of its own, within bounds, and read what it says."""

import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from export.cost import Meter
from export.results import EXPLICIT, Cost
from export.study.zoo.record import FAILED, REFUSED, STOPPED, TRACEBACK, VERIFIED, Record

Key = tuple[str, str, str]  # of a Record
ERROR = "error: "  # begins the line that a command line ends with
INTERVAL = 0.2  # seconds between looks at a child
LINE = 500  # characters of a line that are kept
FORM = f"; {EXPLICIT} batch"
# What the note of the check `graph` says is outside: of a whole network, and of a part.
OUTSIDE = re.compile(r"outside(?: the engine|, where no TensorRT runs): ([^;]*)")


@dataclass(frozen=True)
class Bounds:
    """What a process may take before it is stopped."""

    seconds: float = 600.0
    peak_bytes: float = 10e9  # of the process tree


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a process ended."""

    status: int
    out: str
    error: str
    cost: Cost
    stopped: str = ""  # why, where it was


def run(command: Sequence[str], bounds: Bounds) -> Done:
    """Run a Python script with its arguments, and stop it where it goes beyond `bounds`."""
    import psutil

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        child = psutil.Popen([sys.executable, *command], stdout=out, stderr=error)
        meter = Meter(child)
        try:
            stopped = _wait(child, meter, bounds)
        finally:
            _end(child)
            meter.close()
        texts = [_text(file) for file in (out, error)]
        return Done(
            status=child.returncode,
            out=texts[0],
            error=texts[1],
            cost=meter.read(),
            stopped=stopped,
        )


def _wait(child, meter: Meter, bounds: Bounds) -> str:
    """Wait for the end of `child`, or for the moment that it must end; return why that is."""
    began = time.monotonic()
    while child.poll() is None:
        if time.monotonic() - began > bounds.seconds:
            return f"stopped after {bounds.seconds:.0f} s"
        if meter.read().peak_rss_bytes > bounds.peak_bytes:
            return f"stopped at {bounds.peak_bytes / 1e9:.0f} GB"
        time.sleep(INTERVAL)
    return ""


def _end(child) -> None:
    """End a process that still runs, and all that it has started; our exports end theirs."""
    import psutil

    if child.poll() is None:
        for process in (*child.children(recursive=True), child):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
    child.wait()


def _text(file) -> str:
    file.seek(0)
    return file.read()


def export_once(
    model: str, formats: Sequence[str], command: Sequence[str], bounds: Bounds, machine: str
) -> list[Record]:
    """Export by `command` to `formats`, whose artifacts are thrown away; say what came of each.

    `command` is the script with its arguments, but for --out and --json. Time and memory of one of
    several formats are those in its report, where what formats share counts in each.
    """
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        done = run([*command, "--out", out, "--json"], bounds)
    lines = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    reports = {content.get("format", formats[0]): content for content in lines}
    refusals = _refusals(done, formats)
    found = []
    for name in formats:
        report = reports.get(name)
        verdict, line = _verdict(done, report, refusals.get(name))
        more = _content(report) if report else {}
        if len(formats) > 1:
            more |= {"together": True, "cost": _own_cost(done, reports, report)}
        key = (model, name, "")
        found.append(_record(key, done, verdict=verdict, line=line, machine=machine, **more))
    return found


def _own_cost(done: Done, reports: dict, report: dict | None) -> Cost:
    """The cost of one format of several: of all the process where it made none, else its own."""
    if report:
        return Cost(**report["cost"])
    return Cost(0, 0, 0) if reports else done.cost


def _refusals(done: Done, formats: Sequence[str]) -> dict[str, str]:
    """Why each format was refused, where it was; a line that names none is about all of them."""
    if done.status != 2:
        return {}
    found, whole = {}, []
    for line in done.error.splitlines():
        if not line.startswith(ERROR):
            continue
        names, _, why = line.removeprefix(ERROR).partition(": ")
        if len(formats) > 1 and set(names.split(", ")) <= set(formats):
            found |= dict.fromkeys(names.split(", "), why)
        else:
            whole.append(line.removeprefix(ERROR))
    return dict.fromkeys(formats, whole[0]) if len(whole) == 1 and not found else found


def stock_once(key: Key, command: Sequence[str], bounds: Bounds, machine: str) -> Record:
    """Run a converter of others by `command`, and say how it ended."""
    done = run(command, bounds)
    verdict, line = ended(done)
    return _record(key, done, verdict=verdict, line=line, machine=machine)


def ended(done: Done) -> tuple[str, str]:
    """The verdict on a command that writes no report, and in a line why it ended early."""
    if done.stopped:
        return STOPPED, done.stopped
    if done.status == 0:
        return VERIFIED, ""
    lines = [line for line in done.error.splitlines() if line.strip()]
    return FAILED, (lines or ["without a word"])[-1]


def _record(
    key: Key, done: Done, *, verdict: str, line: str, cost: Cost | None = None, **more
) -> Record:
    model, format, converter = key
    cost = cost or done.cost
    return Record(
        model,
        format,
        verdict,
        converter=converter,
        line=line[:LINE],
        wall_s=round(cost.wall_s, 1),
        peak_bytes=cost.peak_rss_bytes,
        **more,
    )


def verdict_of(done: Done, reports: list[dict]) -> tuple[str, str]:
    """Return the word for how an export to one format ended, and the line that says why."""
    return _verdict(done, reports[0] if reports else None, _refusals(done, [""]).get(""))


def _verdict(done: Done, report: dict | None, refusal: str | None) -> tuple[str, str]:
    """Return the word for what came of one format, and the line that says why."""
    if done.stopped and not report:
        return STOPPED, done.stopped
    lines = [line for line in done.error.splitlines() if line.strip()]
    if "Traceback (most recent call last)" in done.error:
        return TRACEBACK, lines[-1]
    if report:
        failed = [one for one in report["checks"] if one["status"] == "failed"]
        why = "; ".join(f"{one['name']}: {one['note']}" for one in failed)
        return (VERIFIED, "") if report["passed"] else (FAILED, why)
    if refusal:
        return REFUSED, refusal
    return TRACEBACK, f"exit status {done.status}: {(lines or ['without a word'])[-1]}"


def _content(report: dict) -> dict:
    """What a report says that the page shows."""
    checks = {one["name"]: one for one in report["checks"]}
    graph, engine = checks["graph"], checks.get("engine")
    found = {"error": checks["parity"]["measured"], "artifact_bytes": report["artifact"]["bytes"]}
    if engine:
        outside = OUTSIDE.search(graph["note"])
        explicit = graph.get("details", {}).get("batch") == EXPLICIT
        found |= {
            "engines": graph["measured"],
            "outside": (outside[1] if outside else "")[:LINE] + (FORM if explicit else ""),
            "engine_checked": engine["status"] != "skipped",
        }
    return found
