"""The measured part of docs/precision.md, between two marks, made of what was recorded."""

from collections.abc import Iterable, Mapping, Sequence

from export.study.precision.formats import BASE, UNROUNDED
from export.study.precision.record import Key, Record
from export.study.zoo.record import VERIFIED
from export.tables.markdown import markdown
from export.wording import MISSING, counted, duration, size

DIGITS = "digits"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

INTRODUCTION = """\
Made by `python tools/measure_precision.py` of `docs/precision.jsonl`, in which each line is one
artifact, made by a process of its own. Weights are seeded and pictures are made (160 JPEGs of blobs
of colour, from a seed: 128 for ranges, 32 held out), so first choices lie close together and none
is asked to agree; what they do say stands in the table. Errors are in standard deviations of the
model's logits. *Pictures* are those that ranges are from, *kept* are layers that stay in 32 bits.
"""
COSTS = """\
## What making them takes

Whole processes from the Keras model on, imports included, and of ours every check too; *written* is
when the artifact was whole, which is as far as the tools of others go. Memory is the most that the
process tree held, its parts added up. The tools of others are called as their documentation says,
from the same model, and nobody checks what they write; they were stopped where they took more
memory or time than `--gigabytes` and `--seconds` allowed. *Load* is that of the minute before, on
two cores: where it is above 2, other work ran beside, and such times say little. CPU time is of
both cores together.
"""
ACCURACY = """\
## Accuracy

SqueezeNet 1.1 as `examples/train_digits.py` trains it, calibrated with digits that it was trained
on, measured on the {pictures} that it has never seen, of which one is {one:.2f} points.
"""


def measured(records: Mapping[Key, Record], networks: Sequence[str], formats: Sequence[str]) -> str:
    """The text between the marks; it says which of `networks` in which `formats` are missing."""
    own = [one for one in records.values() if not one.converter]
    rounded = [one for one in own if one.network != DIGITS]
    rounded.sort(key=lambda one: _place(one, networks, formats))
    costs = [COSTS, _machines(records.values()), _costs(rounded, records)]
    parts = [INTRODUCTION, _rounding(rounded, records), *costs]
    if digits := [one for one in own if one.network == DIGITS]:
        digits.sort(key=lambda one: _place(one, (DIGITS,), formats))
        parts += [_accuracy(digits, records)]
    return "\n".join([*parts, _lacking(own, networks, formats)])


def with_measured(page: str, text: str) -> str:
    """`page` with `text` in the place of what stood between its marks; ValueError without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} and {END}; put both where the tables go")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def _place(one: Record, networks: Sequence[str], formats: Sequence[str]) -> tuple[int, int]:
    whole = (*networks, one.network), (*formats, one.format)
    return whole[0].index(one.network), whole[1].index(one.format)


def _rounding(own: Iterable[Record], records: Mapping[Key, Record]) -> str:
    rows = [
        (
            one.network,
            *_outcome(one, records),
            _short(one.exact),
            _short(one.exact_allowed),
            _agreement(one),
            MISSING if one.calibrated is None else str(one.calibrated),
            ", ".join(one.kept),
        )
        for one in own
    ]
    header = ("network", "format", "verdict", "MB", "x FP32", "error", "allowed",
              "without rounding", "allowed", "agreement", "pictures", "kept")  # fmt: skip
    return markdown(header, "lllrrrrrrrrl", rows)


def _outcome(one: Record, records: Mapping[Key, Record]) -> tuple[str, ...]:
    """Format, verdict, size, its part of 32 bits, error and what is allowed."""
    sizes = _megabytes(one), _ratio(one, records)
    return one.format, _verdict(one), *sizes, _short(one.error), _short(one.allowed)


def _agreement(one: Record) -> str:
    return MISSING if one.held_out is None else f"{one.equal} of {one.held_out}"


def _costs(own: Iterable[Record], records: Mapping[Key, Record]) -> str:
    stock = {(one.network, one.format): one for one in records.values() if one.converter}
    rows = [
        (
            one.network,
            one.format,
            duration(one.wall_s),
            MISSING if one.written_s is None else duration(one.written_s),
            duration(one.cpu_s),
            size(one.peak_bytes),
            f"{one.load:g}",
            *_beside(stock.get((one.network, one.format))),
        )
        for one in own
    ]
    header = ("network", "format", "time", "written", "CPU", "memory", "load", "tool of others",
              "its MB", "its time", "its memory", "load")  # fmt: skip
    return markdown(header, "llrrrrrlrrrr", rows)


def _machines(records: Iterable[Record]) -> str:
    """What was said of the machines."""
    return "".join(f"- {said}\n" for said in sorted({one.machine for one in records} - {""}))


def _beside(stock: Record | None) -> tuple[str, ...]:
    if stock is None:
        return (MISSING,) * 5
    name = stock.converter
    if stock.verdict != VERIFIED:
        name += f" ({stock.verdict}: {stock.line[:80]})"
    cost = duration(stock.wall_s), size(stock.peak_bytes), f"{stock.load:g}"
    return name, _megabytes(stock), *cost


def _accuracy(digits: Sequence[Record], records: Mapping[Key, Record]) -> str:
    pictures = max(one.pictures or 0 for one in digits)
    base = records.get((DIGITS, BASE, ""))
    rows = [
        (
            *_outcome(one, records),
            _agreement(one),
            MISSING if one.accuracy is None else f"{one.accuracy:.2%}",
            _points(one, base),
        )
        for one in digits
    ]
    header = ("format", "verdict", "MB", "x FP32", "error", "allowed", "agreement", "accuracy",
              "points to FP32")  # fmt: skip
    text = ACCURACY.format(pictures=pictures, one=100 / max(pictures, 1))
    return f"{text}\n{markdown(header, 'llrrrrrrr', rows)}"


def _points(one: Record, base: Record | None) -> str:
    if one.accuracy is None or base is None or base.accuracy is None:
        return MISSING
    return f"{100 * (one.accuracy - base.accuracy):+.2f}"


def _lacking(own: Iterable[Record], networks: Sequence[str], formats: Sequence[str]) -> str:
    """Which artifacts were not made yet, by network; empty where none is missing."""
    known = {(one.network, one.format) for one in own}
    missing = {
        network: [format for format in formats if (network, format) not in known]
        for network in (*networks, DIGITS)
    }
    lines = [f"- {network}: {', '.join(left)}\n" for network, left in missing.items() if left]
    if not lines:
        return ""
    number = sum(map(len, missing.values()))
    return f"Not measured yet, {counted(number, 'artifact')}:\n\n{''.join(lines)}"


def _verdict(one: Record) -> str:
    return one.verdict if one.verdict == VERIFIED else f"**{one.verdict}**: {one.line[:200]}"


def _megabytes(one: Record) -> str:
    return f"{one.bytes / 1e6:.1f}" if one.bytes else MISSING


def _ratio(one: Record, records: Mapping[Key, Record]) -> str:
    whole = (records.get((one.network, format, "")) for format in UNROUNDED)
    base = next((found.bytes for found in whole if found and found.bytes), 0)
    return f"{one.bytes / base:.3f}" if base and one.bytes else MISSING


def _short(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1e}"
