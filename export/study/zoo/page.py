"""Write docs/zoo.md from what was recorded."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from export.study.zoo.record import FAILED, REFUSED, STOPPED, TRACEBACK, VERIFIED, Record
from export.tables.markdown import markdown
from export.wording import MISSING, duration, size

PAGE = """\
# A zoo of architectures

Each is exported by `tools/export.py` to SavedModel, ONNX and TF-TRT, with every check. Weights are
of a seed; those of Xception have batch-norms that met two pictures of noise, because with weights
of a seed alone 16 bits move its logits by more than the half standard deviation that is allowed.
Written by

    python tools/zoo.py

after `pip install -e '.[zoo]'`. All formats of a network are made by one process. The time and the
memory of each are those of `report.json`, in which what formats share, from reading the network to
computing its outputs, counts in each. Rows with a star had a process to themselves (`--apart`), and
theirs are of all of it, imports included. Memory is the peak of the whole process tree, its parts
added up; what is allowed of it is 1 GB and 2.5 times the artifact, and what takes more is in bold.
*refused* means exit status 2 with the one line that stands below the tables; "verified, engine
unseen" means that no GPU was there to run the TensorRT engine.
[tftrt.md](tftrt.md) has the two forms of an engine; the one called *explicit batch* has run on no
GPU yet.
{machine}
{sums}

{tables}
## What is refused, or fails

{lines}
## The converters of others

The same models by tf2onnx's `from_function` and by `Model.export`, in the same run: what they write
is not looked at. They are stopped where they take more than {bounds}.

{stock}"""

WORDS = {FAILED: "**fails**", REFUSED: "refused", TRACEBACK: "**traceback**", STOPPED: "stopped"}


def write_page(path: Path, records: Mapping, groups: Mapping[str, str], bounds: str) -> None:
    """Write the page about `records`, by their keys; `groups` maps models to their group."""
    found = list(records.values())
    own = [record for record in found if not record.converter]
    machines = sorted({record.machine for record in found if record.machine})
    text = PAGE.format(
        machine="".join(f"\n{sentence}\n" for sentence in machines),
        sums=_sums(own, groups),
        tables=_tables(own, groups),
        lines=_lines(own),
        bounds=bounds,
        stock=_stock(found),
    )
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _sums(own: list[Record], groups: Mapping[str, str]) -> str:
    """How many of each verdict, by group and format."""
    formats = list(dict.fromkeys(record.format for record in own))
    rows = []
    for group in dict.fromkeys(groups.values()):
        row = [group]
        for format in formats:
            words = Counter(
                one.verdict
                for one in own
                if groups.get(one.model) == group and one.format == format
            )
            words["not run"] = Counter(groups.values())[group] - words.total()
            row.append(", ".join(f"{n} {word}" for word, n in words.items() if n))
        rows.append(row)
    return markdown(["", *formats], "l" + "l" * len(formats), rows)


def _tables(own: list[Record], groups: Mapping[str, str]) -> str:
    order = list(dict.fromkeys(groups.values()))
    known = [record for record in own if record.model in groups]
    models = list(groups)
    known.sort(key=lambda one: (order.index(groups[one.model]), models.index(one.model)))
    text = ""
    for group, records in groupby(known, key=lambda record: groups[record.model]):
        rows = [_row(record) for record in records]
        header = (
            "model",
            "format",
            "verdict",
            "error, std",
            "engines",
            "time",
            "memory",
            "allowed",
        )
        text += f"## {group}\n\n{markdown(header, 'lllrlrrr', rows)}\n"
    return text


def _row(record: Record) -> Sequence[str]:
    return (
        record.model,
        record.format,
        _verdict(record),
        MISSING if record.error is None else f"{record.error:.0e}",
        _engines(record),
        _time(record),
        _memory(record),
        size(record.allowed_bytes) if record.artifact_bytes else MISSING,
    )


def _time(record: Record) -> str:
    took = duration(record.wall_s) if record.wall_s else MISSING
    return took if record.together else f"{took} \\*"


def _memory(record: Record) -> str:
    if not record.peak_bytes:
        return MISSING
    over = record.artifact_bytes and record.peak_bytes > record.allowed_bytes
    return f"**{size(record.peak_bytes)}**" if over else size(record.peak_bytes)


def _verdict(record: Record) -> str:
    if record.verdict == VERIFIED and record.engine_checked is False:
        return "verified, engine unseen"
    return WORDS.get(record.verdict, record.verdict)


def _engines(record: Record) -> str:
    if record.engines is None:
        return MISSING
    outside, _, form = record.outside.partition("; ")
    form = "; " + form.partition(",")[0] if form else ""
    return f"{record.engines:.0f}, outside: {outside or 'nothing'}{form}"


def _lines(own: Iterable[Record]) -> str:
    """The sentences of what was not verified, each with all it was said of."""
    found: dict[tuple, list[str]] = {}
    for record in own:
        if record.verdict != VERIFIED:
            found.setdefault((record.model, record.verdict, record.line), []).append(record.format)
    if not found:
        return "Nothing.\n"
    return "".join(
        f"- `{model}` to {', '.join(formats)}, {WORDS[verdict]}: {line}\n"
        for (model, verdict, line), formats in found.items()
    )


def _stock(found: Sequence[Record]) -> str:
    ours = {(record.model, record.format): record for record in found if not record.converter}
    rows = [
        (
            f"{record.model} to {record.format}",
            record.converter,
            "done" if record.verdict == VERIFIED else f"{record.verdict}: {record.line[:120]}",
            *_compared(record, ours.get((record.model, record.format))),
        )
        for record in found
        if record.converter
    ]
    header = ("conversion", "converter", "ends", "its time", "its memory", "our time", "our memory")
    return markdown(header, "lllrrrr", rows) if rows else "None was run.\n"


def _compared(record: Record, own: Record | None) -> tuple[str, ...]:
    cells = duration(record.wall_s), size(record.peak_bytes)
    return (*cells, *((duration(own.wall_s), size(own.peak_bytes)) if own else (MISSING, MISSING)))
