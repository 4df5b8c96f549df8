"""What changed since an artifact was written: its report.json read as a manifest.

Files are told by their hashes, the graph by that of its structure, the weights by the canonical one
of the model, and the environment by versions. Other versions are told and fail nothing.
"""

from pathlib import Path

from export.checks.base import verdict
from export.report import artifact_files, environment
from export.results import Check, Report


def structure(checks: tuple[Check, ...]) -> str:
    """The hash of the graph's structure, as the check `graph` found it; empty where it did not."""
    found = (check.details.get("structure", "") for check in checks if check.name == "graph")
    return next(found, "")


def hashes(folder: Path, told: Report, weights: str, checks: tuple[Check, ...]) -> Check:
    """Compare the artifact in `folder` with what its report `told` when it was written.

    `weights` is the canonical hash of the model's weights now, `checks` were made now.
    """
    now, then = artifact_files(folder), told.artifact["files"]
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    files = {name: _change(name, now, then) for name in changed}
    graph = _graph(told, checks)
    wrong = [f"the graph is {graph}"] if changed and graph else []
    wrong += [f"{name} {what}" for name, what in files.items()]
    other_weights = told.weights["sha256"] != weights
    if other_weights:
        wrong.append("the model's weights are not those of the report")
    versions = _versions(told)
    note = "; ".join(wrong) or f"{len(now)} files as when they were written"
    if versions:
        pairs = (f"{name} {now} for {then}" for name, (then, now) in versions.items())
        note += f"; verified with {', '.join(pairs)}"
    count = len(changed) + other_weights
    details = {"files": files, "graph": graph, "versions": versions}
    details = {key: value for key, value in details.items() if value}
    return verdict("hashes", not count, count, 0, "differences", note, details)


def _graph(told: Report, checks: tuple[Check, ...]) -> str:
    now, then = structure(checks), told.artifact.get("graph_sha256") or structure(told.checks)
    return "" if not now or not then else "the same" if now == then else "another"


def _versions(told: Report) -> dict[str, list[str]]:
    """What is of another version than when the artifact was written: then and now."""
    now = environment()
    then = {key: told.environment.get(key, "none") for key in now}
    return {key: [then[key], now[key]] for key in now if then[key] != now[key]}


def _change(name: str, now: dict, then: dict) -> str:
    if name not in then:
        return "is not in the report"
    return "has changed" if name in now else "is gone"
