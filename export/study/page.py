"""Write docs/gate_power.md from the records of the study."""

import json
from collections import Counter
from pathlib import Path

from export.formats import find_format
from export.formats.names import ONNX
from export.gate.mutations import MUTATIONS
from export.study.peers import PEERS
from export.tables.markdown import markdown

INTRODUCTION = """\
# What the gate catches

Made by `python tools/gate_power.py` of the records in `docs/gate_power`; every number is measured.
The gate is all checks of `tools/verify.py` together; an error is in standard deviations of the
model's logits. Networks have seeded weights and their own image size, on two cores without a GPU,
so `tftrt-fp16` is its native segment. A bug is one of thirteen edits of the artifact in memory
(`export/gate/mutations.py`): the smallest form that the bug comes in, run by the artifact's own
runtime through its own graph.
"""
SEEDS = "seeds-{}.jsonl"  # a line for each set of weights of a network
SHOWN = "-"  # where there is nothing to show


def write(work: Path, doc: Path, models: tuple[str, ...]) -> None:
    """Write the page; what has not been run yet is said to be missing."""
    records = {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}
    powers = {name: report for name, report in records.items() if name.startswith("power-")}
    parts = [
        INTRODUCTION,
        _power(powers.values(), models),
        _bugs(powers.values(), models),
        _seeds({model: read_seeds(work, model) for model in models}),
        _peers(records, models),
    ]
    doc.write_text("\n".join(part.strip() + "\n" for part in parts))


def read_seeds(work: Path, model: str) -> list[dict]:
    """What was found for each set of weights so far."""
    path = work / SEEDS.format(model)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return markdown(heads, "l" * len(heads), rows)


def _parity(report: dict) -> dict:
    parity = next(check for check in report["checks"] if check["name"] == "parity")
    return {**parity, **parity.get("details", {})}


def _order(reports, models):
    return sorted(reports, key=lambda report: (models.index(report["model"]), report["format"]))


def _power(reports, models) -> str:
    rows = []
    for report in _order(reports, models):
        parity = _parity(report)
        power, bug = parity.get("power", {}), parity.get("smallest_bug", {})
        caught = f"{power['caught']} of {power['of']}" if "of" in power else "not run"
        rows.append([
            report["model"],
            report["format"],
            caught,
            _number(parity["measured"]),
            _number(parity.get("noise")),
            _number(parity["allowed"]),
            f"{_number(bug.get('measured'))} {bug.get('name', '')}",
        ])  # fmt: skip
    heads = ["network", "format", "caught", "error", "noise", "allowed", "smallest bug"]
    text = """
## Every network, every format

Bugs that change nothing are not counted: a VGG has no batch-norm, and all its pools divide evenly.
The smallest bug is the one of least effect among those that only the logits show; the room between
it and what is allowed is the gate's.
"""
    return f"{text}\n{_table(heads, rows)}"


def _bugs(reports, models) -> str:
    """Bugs by networks: the effect, and who notices."""
    cells, differing = {}, 0
    for report in _order(reports, models):
        for mutant in _parity(report).get("mutants", []):
            key = mutant["name"], report["model"]
            cell = _bug(mutant)
            differing += cells.setdefault(key, cell)[1] != cell[1]
    present = [model for model in models if any(model == key[1] for key in cells)]
    rows = [
        [mutation.name, *(cells.get((mutation.name, model), (SHOWN, ""))[0] for model in present)]
        for mutation in MUTATIONS
    ]
    alike = f"in {differing} places another says otherwise" if differing else "the others agree"
    text = f"""
## Every bug, every network

The largest change of a logit, and who notices: W for `weights`, P for `parity`, C for `contract`, G
for `graph`; in brackets what changes nothing. Numbers are those of the first format above; on who
notices {alike}.
"""
    return f"{text}\n{_table(['bug', *present], rows)}"


def _bug(mutant: dict) -> tuple[str, str]:
    note = mutant.get("note", "")
    if note.startswith("without effect: "):
        why = note.removeprefix("without effect: ")
        return f"({'no effect' if 'logit' in why else why})", ""
    if mutant["effect"] is None:
        return "(not tested)", ""
    who = "".join(name[0].upper() for name in mutant["caught_by"]) or "**missed**"
    return f"{_number(mutant['effect'])} {who}", who


def _seeds(seeds: dict[str, list[dict]]) -> str:
    formats = sorted({format for found in seeds.values() for r in found for format in r["formats"]})
    rows = []
    for model, records in seeds.items():
        if not records:
            rows.append([model, "0", *[SHOWN] * (2 + len(formats))])
            continue
        wrong = Counter(
            f for r in records for found in r["formats"].values() for f in found["failed"]
        )
        alarms = ", ".join(f"{n} of {name}" for name, n in wrong.items()) or "none"
        noise = [r["noise"] for r in records]
        row = [model, str(len(records)), alarms, f"{_number(min(noise))} to {_number(max(noise))}"]
        for format in formats:
            found = [r["formats"][format] for r in records if format in r["formats"]]
            worst = max((f["measured"] / f["allowed"] for f in found), default=None)
            row.append("exact" if worst == 0 else _number(worst))
        rows.append(row)
    heads = ["network", "seeds", "false alarms", "noise", *(f"{f}, share" for f in formats)]
    text = """
## False alarms

Other weights and other probe images for each seed, converted by the same graph, every check asked.
The noise of VGGs and of DarkNet-53 was measured with each image in two orders of sums, of which the
larger difference counted; that of the others with each image in one.
The share is the largest error found, as a part of what was allowed: 1 would have been an alarm.
"""
    return f"{text}\n{_table(heads, rows)}"


def _peers(records: dict, models) -> str:
    present = [model for model in models if f"peers-{model}" in records]
    rows = []
    for mutation in MUTATIONS:
        asked = [
            entry
            for model in present
            for entry in records[f"peers-{model}"]
            if entry["name"] == mutation.name and entry["change"] is not None
        ]
        row = [mutation.name, _ours(records, mutation.name)]
        row += [_of(sum(peer.name in entry["noticed"] for entry in asked), asked) for peer in PEERS]
        changes = [entry["change"] for entry in asked]
        rows.append([*row, _number(min(changes, default=None))])
    rules = "".join(f"- {peer.name}: {peer.rule} ({peer.source})\n" for peer in PEERS)
    text = f"""
## The same bugs before the default gates of others

On how many of the networks that a bug changes it is noticed. Ours: the ONNX files above. Others:
{len(present)} networks, as those gates run by default: softmax outputs, weights as Keras makes
them, two random images. The last column is the smallest change of a probability there. Rules,
stated anew from their sources:

{rules}
The outputs, not the rules, are the weak part: with 1000 classes every probability is near 0.001,
and a network fresh from its initialiser tells images hardly apart. A bias of zero cannot be off by
1 %. {_on_logits(records)}
"""
    heads = ["bug", "ours", *(peer.name for peer in PEERS), "smallest change"]
    return f"{text}\n{_table(heads, rows)}"


def _ours(records: dict, bug: str) -> str:
    """On how many of the networks that `bug` changes our own gate notices it, as ONNX."""
    mutants = [
        mutant
        for name, record in records.items()
        if name.startswith("power-") and _is_onnx(record)
        for mutant in _parity(record).get("mutants", [])
        if mutant["name"] == bug and mutant["effect"]
    ]
    return _of(sum(bool(mutant["caught_by"]) for mutant in mutants), mutants)


def _is_onnx(record: dict) -> bool:
    """Tell whether a record is of ONNX in 32 bits, which is what the others export."""
    format = find_format(record["format"])
    return format.kind == ONNX and not format.rounds


def _of(caught: int, asked: list) -> str:
    return f"{caught} of {len(asked)}" if asked else SHOWN


def _on_logits(records: dict) -> str:
    """What a fixed bound would do to honest artifacts, were the outputs logits."""
    errors = [
        _parity(record)["measured"]
        for name, record in records.items()
        if name.startswith("power-") and _is_onnx(record)
    ]
    if not errors:
        return ""
    beyond = sum(error > 1e-5 for error in errors)
    return (
        f"On logits, which are about 1 in size, the honest ONNX files above are off by "
        f"{_number(min(errors))} to {_number(max(errors))}: a fixed 1e-5 would fail {beyond} of "
        f"the {len(errors)}."
    )


def _number(value: float | None) -> str:
    if value is None:
        return SHOWN
    if value == 0:
        return "0"
    return f"{value:.2g}" if 0.01 <= abs(value) < 100 else f"{value:.1e}"
