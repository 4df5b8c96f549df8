"""One page of many reports: models by formats, sortable, with plots of size, error and cost."""

import base64
import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from export.errors import ArtifactError
from export.html.facts import EXCEPT, FAILED, PASSED, Facts, facts
from export.html.figures.of_many import panels
from export.html.page import POLICY, TEMPLATES, environment, verdict
from export.html.values import sequence
from export.report.file import NAME, PAGE, holds_report, read_content, reports_below

WORDS = {PASSED: "verified", EXCEPT: "verified except engine", FAILED: "NOT verified"}


@dataclass(frozen=True)
class Entry:
    """A report, and where it is."""

    facts: Facts
    content: dict  # of report.json
    folder: Path
    where: str = ""  # its path, if another has the same model and label

    @property
    def apart(self) -> str:
        """Return what tells this artifact from others of its format: its folder or its place."""
        named = "" if self.folder.name == self.facts.format else f"({self.folder.name})"
        return " ".join(filter(None, (named, f"in {self.where}" if self.where else "")))

    @property
    def label(self) -> str:
        return f"{self.facts.format} {self.apart}".rstrip()


@dataclass(frozen=True)
class Found:
    """Reports that could be read, and what was wrong with the others."""

    entries: tuple[Entry, ...]
    unread: tuple[tuple[Path, str], ...]


def collect(folders: list[Path]) -> Found:
    """Read every report.json below `folders`, hidden folders excepted, sorted by name."""
    entries, unread, seen = [], [], set()
    for path in (below / NAME for folder in folders for below in reports_below(Path(folder))):
        real = os.path.realpath(path)  # of links in a ring, too, which Path.resolve refuses
        if real in seen:
            continue
        seen.add(real)
        try:
            content = _read(path.parent)
            entries.append(Entry(facts(content), content, path.parent))
        except (ArtifactError, ValueError) as error:
            unread.append((path, str(error).removeprefix(f"{path} ")))
    entries = _tell_apart(entries)
    entries.sort(key=lambda entry: (entry.facts.model, entry.label, str(entry.folder)))
    return Found(tuple(entries), tuple(unread))


def _tell_apart(entries: list[Entry]) -> list[Entry]:
    """Add its path to each entry that shares its model and label with another.

    Paths are relative to the deepest folder that holds all entries.
    """
    if not entries:
        return entries
    folders = [os.path.realpath(entry.folder) for entry in entries]
    base = os.path.commonpath(folders)
    alike = Counter((entry.facts.model, entry.label) for entry in entries)
    return [
        replace(entry, where=os.path.relpath(folder, base))
        if alike[entry.facts.model, entry.label] > 1
        else entry
        for entry, folder in zip(entries, folders, strict=True)
    ]


def is_within_an_artifact(path: Path) -> bool:
    """Return whether a file at `path` would lie in an artifact's folder, at any depth."""
    place = Path(os.path.realpath(path.parent))
    return any(_holds_report(folder) for folder in (place, *place.parents))


def _holds_report(folder: Path) -> bool:
    if not holds_report(folder):
        return False
    try:
        _read(folder)
    except (ArtifactError, ValueError):
        return False
    return True


def _read(folder: Path) -> dict:
    content = read_content(folder)
    wrong = [key for key in ("model", "format") if not isinstance(content.get(key), str)]
    if wrong or not sequence(content.get("checks")):
        raise ValueError(f"without {' and '.join(wrong) or 'checks'}, so no report of this toolkit")
    return content


def _called(known: list[Facts]) -> str:
    """What all of the reports compare, in a word."""
    words = {fact.called for fact in known}
    return words.pop() if len(words) == 1 else "outputs"


def render(found: Found, base: Path) -> str:
    """Return the page; its links are relative to `base`, the folder it will lie in."""
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    known = [entry.facts for entry in found.entries]
    links = [_link(entry.folder, base) for entry in found.entries]
    formats = sorted({fact.format for fact in known})
    template = environment().get_template("overview.html.j2")
    return template.render(
        policy=f"{POLICY}; script-src 'sha256-{_sha256(script)}'",
        script=script,
        lines=list(zip(found.entries, links, strict=True)),
        grid=_grid(found.entries, links, formats),
        wrong=[(e, _failures(e.facts)) for e in found.entries if not e.facts.passed],
        counts=Counter(fact.verdict for fact in known),
        verdict=_worst(known),
        warned=_warnings(known),
        words=WORDS,
        formats=formats,
        called=_called(known),
        powers=any(fact.parity and fact.parity.power for fact in known),
        plots=panels(known, links),
        unread=found.unread,
    )


def _grid(entries, links, formats) -> dict[str, list[list[tuple[Entry, str]]]]:
    """Return, for each model, its artifacts of each format: usually one or none."""
    models: dict[str, list[list[tuple[Entry, str]]]] = {}
    for entry, link in zip(entries, links, strict=True):
        row = models.setdefault(entry.facts.model, [[] for _ in formats])
        row[formats.index(entry.facts.format)].append((entry, link))
    return models


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _link(folder: Path, base: Path) -> str:
    """Return the link from the page to an artifact's page, or to its folder if it has none."""
    way = Path(os.path.relpath(os.path.realpath(folder), os.path.realpath(base))).as_posix()
    page = f"/{PAGE}" if (folder / PAGE).exists() else "/"
    return f"./{quote(way)}{page}"


def _worst(known: list[Facts]) -> str:
    """Return the verdict of the page, which is that of its worst artifact."""
    found = {fact.verdict for fact in known}
    return next(verdict for verdict in (FAILED, EXCEPT, PASSED) if verdict in found)


def _warnings(known: list[Facts]) -> dict[str, int]:
    """Return how many artifacts carry each warning."""
    return dict(Counter(warning for fact in known for warning in fact.warnings))


def _failures(fact: Facts) -> str:
    return "; ".join(line.rstrip(".") for line in verdict(fact).lines[:3])
