"""What an evaluation found, as one document and as a table for people."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from export.evaluation.examples import Examples
from export.evaluation.run import Outcome
from export.evaluation.scores import score

TO_PUBLISHED = "to published"


def summary(examples: Examples, outcomes: Sequence[Outcome]) -> dict:
    """Everything that was found, ready for JSON. Fractions are of 1.

    Agreement is with the first network of the same group that could be run.
    """
    labels = np.array([item.label for item in examples.items])
    broken, references = {}, {}
    for outcome in outcomes:
        if outcome.ranks:
            broken |= outcome.ranks.broken
            references.setdefault(outcome.subject.group, outcome)
    return {
        "schema": 1,
        "images": {
            "folder": str(examples.folder),
            "pictures": len(examples.items),
            "classes": examples.classes,
            "unlabelled": examples.unlabelled,
            "absent": examples.absent,
            "broken": [
                {"picture": examples.items[index].name, "reason": broken[index]}
                for index in sorted(broken)
            ],
        },
        "networks": [
            _network(outcome, labels, references.get(outcome.subject.group)) for outcome in outcomes
        ],
    }


def _network(outcome: Outcome, labels: np.ndarray, reference: Outcome | None) -> dict:
    subject = outcome.subject
    found = {
        "name": subject.name,
        "model": subject.model,
        "format": subject.format,
        "flavour": subject.flavour,
        "error": outcome.error or None,
        "ran": outcome.ran or None,
    }
    if not outcome.ranks:
        return found
    compared = reference if reference is not outcome else None
    try:
        scored = score(outcome.ranks.best, labels, compared.ranks.best if compared else None)
    except ValueError as error:
        return found | {"error": str(error)}
    found |= asdict(scored)
    found["reference"] = compared.subject.name if compared else None
    found["pictures_per_s"] = (
        round(outcome.looked_at / outcome.seconds, 2) if outcome.seconds else None
    )
    published = subject.published
    if published:
        found["published"] = {"top1": published[0], "top5": published[1]}
        found["to_published"] = {
            "top1": round(scored.top1 - published[0], 6),
            "top5": round(scored.top5 - published[1], 6),
        }
    return found


def as_table(document: dict, width: int | None = None) -> str:
    """The document as text: what was looked at, and a line for each network.

    Where a terminal of `width` columns is too narrow for that, a line for each figure.
    """
    networks = document["networks"]
    rows = [["network", "top-1", "top-5", "agreement", "pictures/s"]]
    if any("published" in network for network in networks):
        rows[0].insert(3, TO_PUBLISHED)
    for network in networks:
        if network["error"]:
            rows.append([network["name"], f"not run: {network['error']}"])
            continue
        rate = network["pictures_per_s"]
        row = [
            network["name"],
            f"{_percent(network['top1'])} ± {100 * network['margin']:.2f}",
            _percent(network["top5"]),
            "-" if network["agreement"] is None else _percent(network["agreement"]),
            "-" if rate is None else f"{rate:.1f}",
        ]
        if TO_PUBLISHED in rows[0]:
            row.insert(3, _difference(network.get("to_published")))
        rows.append(row)
    table = _aligned(rows)
    if width and len(table[0]) > width:
        table = [line for row in rows[1:] for line in _listed(rows[0], row)]
    lines = [_heading(document), "", *table, *_notes(networks)]
    return "\n".join(line for long in lines for line in _broken(long, width))


def _listed(header: list[str], row: list[str]) -> list[str]:
    """The row of a network as a line for its name and one for each figure."""
    if len(row) < len(header):
        return [f"{row[0]}: {row[1]}"]
    figures = zip(header[1:], row[1:], strict=True)
    return [row[0], *(f"  {name:<{len(TO_PUBLISHED)}}  {figure}" for name, figure in figures)]


def _broken(line: str, width: int | None) -> list[str]:
    """`line` broken between words, so that a terminal of `width` columns breaks none of them."""
    if not width or len(line) <= width:
        return [line]
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(line, width, subsequent_indent="  ", **whole)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _difference(points: dict | None) -> str:
    return f"{100 * points['top1']:+.2f} {100 * points['top5']:+.2f}" if points else "-"


def _heading(document: dict) -> str:
    images = document["images"]
    said = f"{images['pictures']} pictures of {images['classes']} classes below {images['folder']}"
    left = {
        "broken": len(images["broken"]),
        "without a label": images["unlabelled"],
        "labelled but absent": images["absent"],
    }
    return "; ".join([said, *(f"{count} {what}" for what, count in left.items() if count)])


def _aligned(rows: list[list[str]]) -> list[str]:
    whole = [row for row in rows if len(row) == len(rows[0])]
    names = max(len(row[0]) for row in rows)
    widths = [max(len(row[i]) for row in whole) for i in range(1, len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(names)]
        if row in whole:
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True)]
        else:
            cells += row[1:]
        lines.append("  ".join(cells))
    return lines


def _notes(networks: list[dict]) -> list[str]:
    """What was run, and which networks answered some pictures with NaN."""
    runs: dict[str, list[str]] = {}
    for network in networks:
        if network["ran"]:
            runs.setdefault(network["ran"], []).append(network["name"])
    lines = [f"{', '.join(names)}: ran {ran}" for ran, names in runs.items()]
    lines += [
        f"{network['name']}: logits with a NaN for {network['nothing']} of the pictures"
        for network in networks
        if network.get("nothing")
    ]
    return ["", *lines] if lines else []
