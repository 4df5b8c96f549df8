"""The page of one report: report.html beside its report.json."""

import os
import shlex
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

from export.contract import LOGITS
from export.errors import MissingPackage
from export.files import write_whole
from export.html.facts import EXCEPT, FAILED, PASSED, SKIPPED, SYNTHETIC, Facts, Row, facts
from export.html.figures import svg
from export.html.figures.of_one import plots
from export.html.quantities import cell, columns, heading
from export.html.words import guess
from export.lazy import need
from export.progress import Progress
from export.report.file import PAGE, as_dict
from export.results import Report
from export.wording import NOT_FINITE, duration, number, size, times, unit_of

TEMPLATES = Path(__file__).parent / "templates"
TOOLKIT = Path(__file__).resolve().parents[2]  # where commands on a page are meant to be run
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
# What a command line exported is built again by the command beside it. None knows a model that was
# exported from Python.
VERIFYING = {
    ("python", "tools/export.py"): ("python", "tools/verify.py"),
    ("keras-nets", "export"): ("keras-nets", "verify"),
}
ASKS = {
    "hashes": "Are files and weights those that the report is of?",
    "params": "Has the Keras model the parameters that its catalog entry promises?",
    "weights": "Are exactly the model's weights in the artifact, each once?",
    "graph": "Is the network in the artifact as the format wants it?",
    "contract": "Are names, types and shapes as promised, at every batch size?",
    "parity": "Does it compute what the Keras model computes?",
    "engine": "Does the TensorRT engine compute it too, on a GPU?",
    "power": "Would it notice the bugs that exports are known for?",
    "fp16-range": "Does every activation fit into 16 bits?",
    "compression": "Does it hold the zeros and the values that the compression left?",
}


HEADLINES = {  # sign and word of each verdict
    PASSED: ("✓", "Verified"),
    EXCEPT: ("✓", "Verified except engine"),
    FAILED: ("✗", "NOT verified"),
}


@dataclass(frozen=True)
class Verdict:
    """The verdict at the top of the page, and its reasons."""

    status: str  # as Facts.verdict
    sign: str
    word: str
    lines: tuple[str, ...]


def render(content: dict, home: str | Path = "") -> str:
    """Return the page of a report; whatever `content` holds is escaped.

    `home` is the folder where the artifact is or will be, if that is known.
    """
    known = facts(content)
    layered = [row for row in known.rows if row.layers]
    verifying = VERIFYING.get(tuple(known.command[:2]), ())
    template = environment().get_template("report.html.j2")
    return template.render(
        policy=POLICY,
        facts=known,
        verdict=verdict(known),
        tiles=_tiles(known),
        asks=ASKS,
        powers=any(row.power for row in known.rows),
        plots=plots(known),
        layered=layered,
        pictured=[row for row in known.rows if row.pictures],
        made=_made(known),
        columns={row.name: columns(row) for row in layered},
        command=shlex.join(known.command),
        verifying=shlex.join(verifying),
        verify=shlex.join((*verifying, _seen_from_toolkit(home))) if verifying and home else "",
    )


def write_page(content: dict, folder: Path, home: str | Path = "") -> Path:
    """Write report.html whole into `folder` and return its path.

    `home` as in `render`; it is another folder than `folder` while an export is in staging.
    """
    return write_whole(Path(folder) / PAGE, render(content, home))


def draw(report: Report, folder: Path, progress: Progress) -> None:
    """Write the page of a report; a broken plotting library costs the page, not the artifact."""
    try:
        write_page(as_dict(report), folder, report.folder)
    except MissingPackage as error:
        progress(report.format, f"no report.html: {error}")


def load() -> None:
    """Import what drawing takes, beside other work; raises MissingPackage for what is not there."""
    environment()
    svg.load()


@cache
def environment():
    """Templates that escape whatever a report holds, and know our words."""
    jinja2 = need("jinja2", to="writing a report's page")
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "unit_of": unit_of, "size": size, "duration": duration}
    made.filters |= {"heading": heading, "cell": cell, "guess": guess, "zip": zip_longest}
    made.globals["not_finite"] = NOT_FINITE
    made.globals["style"] = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return made


def verdict(known: Facts) -> Verdict:
    """Verified or not, and why, in sentences."""
    failed, skipped = known.having(FAILED), known.having(SKIPPED)
    lines = [f"{row.name} failed: {_failure(row)}" for row in failed]
    if known.passed:
        lines.append(_success(known))
    elif not failed:
        lines.append("The report does not say that the artifact passed.")
    lines += [_blind_spots(row) for row in known.rows if row.power and row.power.missed]
    for row in skipped:
        lines.append(f"{row.name} was not checked: {row.note or 'no reason was written down'}")
    if known.note:
        lines.append(f"How it was written: {known.note}")
    sign, word = HEADLINES[known.verdict]
    if known.synthetic:
        word += f", with ranges from {SYNTHETIC}"
    return Verdict(known.verdict, sign, word, tuple(lines))


def _failure(row: Row) -> str:
    numbers = ""
    if row.measured is not None and row.allowed == 0:  # "1 of 0 allowed" says less
        numbers = number(row.measured, unit_of(row.measured, row.unit))
    elif row.measured is not None and row.allowed is not None:
        numbers = f"{number(row.measured)} of {number(row.allowed, row.unit)} allowed"
    return "; ".join(filter(None, (numbers, row.note))) or "no reason was written down"


def _success(known: Facts) -> str:
    parity = known.parity
    passed = len(known.rows) - len(known.having(SKIPPED))
    sentence = f"All {passed} checks that could be made here passed."
    if parity and parity.scaled and parity.measured is not None:
        worst = "logit error" if known.called == LOGITS else f"error of {known.called}"
        sentence += f" The worst {worst} is {number(parity.measured, parity.unit)}"
        if parity.room and parity.room >= 1:
            sentence += f", {times(parity.room)} below what is allowed"
        sentence += "."
    if parity and parity.power and not parity.power.missed:
        sentence += f" Of {parity.power.of} bugs planted in a copy the checks caught each one."
    return sentence


def _blind_spots(row: Row) -> str:
    missed = ", ".join(row.power.missed)
    return f"The checks would let through {len(row.power.missed)} of {row.power.of} bugs: {missed}"


def _tiles(known: Facts) -> list[tuple[str, str, str]]:
    files = len(known.files)
    return [
        ("Size", size(known.bytes), f"{files} file{'s' * (files != 1)}" if files else ""),
        ("Time", duration(known.wall_s), "of this format"),
        ("Processor time", duration(known.cpu_s), "all processes"),
        ("Peak memory", size(known.peak_rss_bytes), "all processes together"),
    ]


def _made(known: Facts) -> str:
    """Return when the artifact was made, and by which version of the toolkit."""
    version = known.environment.get("keras-nets", "")
    by = f"by keras-nets {version}" if version else ""
    return " ".join(filter(None, (known.created.replace("T", " ").replace("+00:00", " UTC"), by)))


def _seen_from_toolkit(folder: str | Path) -> str:
    """Return the path of `folder` relative to the toolkit, or absolute if it lies outside."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100, a linked folder keeps the name it has
    return str(whole.relative_to(TOOLKIT) if whole.is_relative_to(TOOLKIT) else whole)
