"""What changed since an artifact was written: its report.json read as a manifest.

Files are compared by their hashes, the graph by that of its structure, the weights by the canonical
one of the model, and the environment by versions. Other versions are noted and fail nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from export.errors import ArtifactError
from export.formats import find_format
from export.report.file import artifact_entries, environment, file_sha256
from export.results import Check, Report, find, verdict

SPARE = 64 << 20  # bytes by which a file may exceed what the report says and still be read


def structure(checks: tuple[Check, ...]) -> str:
    """The hash of the graph's structure, as the check `graph` found it; empty where it did not."""
    graph = find(checks, "graph")
    return graph.details.get("structure", "") if graph else ""


@dataclass(frozen=True)
class Comparison:
    """How the files of an artifact differ from its report; nothing of them was run."""

    changed: dict[str, str]  # how each file differs from the report, by path
    count: int  # of the files that lie there
    wrong_total: str  # what is wrong with the bytes in all, where the files are right

    @property
    def same(self) -> bool:
        return not self.changed and not self.wrong_total


def compare_files(folder: Path, before: Report) -> Comparison:
    """Compare the files in `folder` with `before`, the report of when they were written."""
    sizes, strange = artifact_entries(folder)
    then, total = before.artifact["files"], before.artifact["bytes"]
    changed = {}
    for name in sorted(sizes.keys() | then.keys()):
        if name not in then:
            changed[name] = "is not in the report"
        elif name not in sizes:
            changed[name] = strange.get(name, "is gone")
        elif why := _change(folder / name, sizes[name], then[name], total):
            changed[name] = why
    changed |= strange
    found = sum(sizes.values())
    wrong = "" if changed or found == total else f"the report says {total} bytes of {found}"
    return Comparison(changed, len(sizes), wrong)


def _change(path: Path, size: int, sha256: str, total: int) -> str:
    """How the file at `path` differs from its hash; one that cannot be it is not read."""
    try:
        return "" if size <= 2 * total + SPARE and file_sha256(path) == sha256 else "has changed"
    except (OSError, ArtifactError) as error:
        return f"cannot be read: {error}"


def hashes(
    folder: Path,
    before: Report,
    weights: str,
    checks: tuple[Check, ...],
    compared: Comparison | None = None,
) -> Check:
    """Compare the artifact in `folder` with `before`, the report of when it was written.

    `weights` is the canonical hash of the model's weights now. `checks` were made now; there are
    none where the files, `compared` already, are others, for then nothing is opened.
    """
    compared = compared or compare_files(folder, before)
    wrong = [f"{name} {what}" for name, what in compared.changed.items()]
    wrong += [compared.wrong_total] if compared.wrong_total else []
    if before.weights["sha256"] != weights:
        wrong.append("the model's weights are not those of the report")
    graph = _graph(before, checks)
    notes = [f"the graph is {graph}"] if compared.changed and graph else []
    if not compared.same and not checks:
        notes.append("not opened without --ignore-hash")
    count = compared.count
    notes += wrong or [f"{count} file{'' if count == 1 else 's'} as when they were written"]
    if not compared.changed and graph == "another":  # a later toolkit may hash in another way
        notes.append("the graph's hash is another than the report says")
    versions = _versions(before.environment, environment(find_format(before.format).lane))
    if versions:
        pairs = (f"{name} {now} for {then}" for name, (then, now) in versions.items())
        notes.append(f"verified with {', '.join(pairs)}")
    details = {"files": compared.changed, "graph": graph, "versions": versions}
    details = {key: value for key, value in details.items() if value}
    return verdict("hashes", not wrong, len(wrong), 0, "differences", "; ".join(notes), details)


def _graph(before: Report, checks: tuple[Check, ...]) -> str:
    now, then = structure(checks), before.artifact.get("graph_sha256") or structure(before.checks)
    return "" if not now or not then else "the same" if now == then else "another"


def note_graph_changes(before: Report, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks, where that of the graph also says how it differs from the report's."""
    then, now = (_operations(some) for some in (before.checks, checks))
    if _graph(before, checks) != "another" or not then:  # older reports say nothing to compare with
        return checks
    ops = [op for op in sorted(then | now) if then.get(op, 0) != now.get(op, 0)]
    what = ", ".join(f"{op} {then.get(op, 0)} -> {now.get(op, 0)}" for op in ops)
    what = what or "the same operations, set or connected in another way"
    words = f"not the graph of the report: {what}"
    return tuple(
        replace(check, note=f"{check.note}; {words}".removeprefix("; "))
        if check.name == "graph"
        else check
        for check in checks
    )


def _operations(checks: tuple[Check, ...]) -> dict[str, int]:
    """How often each operation is in the graph; nothing where it is not known."""
    graph = find(checks, "graph")
    counts = graph.details.get("ops") if graph else None
    return counts if isinstance(counts, dict) else {}


def _versions(then: dict, now: dict) -> dict[str, list[str]]:
    """What is of another version than when the artifact was written: then and now."""
    pairs = {key: [then.get(key, "none"), now.get(key, "none")] for key in {**then, **now}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
