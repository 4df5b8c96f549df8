"""What changed since an artifact was written: its report.json read as a manifest.

Files are told by their hashes, the graph by that of its structure, the weights by the canonical one
of the model, and the environment by versions. Other versions are told and fail nothing.
"""

from pathlib import Path

from export.checks.base import verdict
from export.formats import find_format
from export.report import describe_artifact, environment
from export.results import Check, Report


def structure(checks: tuple[Check, ...]) -> str:
    """The hash of the graph's structure, as the check `graph` found it; empty where it did not."""
    found = (check.details.get("structure", "") for check in checks if check.name == "graph")
    return next(found, "")


def hashes(folder: Path, told: Report, weights: str, checks: tuple[Check, ...]) -> Check:
    """Compare the artifact in `folder` with what its report `told` when it was written.

    `weights` is the canonical hash of the model's weights now, `checks` were made now.
    """
    found, then = describe_artifact(folder), told.artifact["files"]
    now = found["files"]
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    files = {name: _change(name, now, then) for name in changed}
    wrong = [f"{name} {what}" for name, what in files.items()]
    if not changed and told.artifact["bytes"] != found["bytes"]:
        wrong.append(f"the report says {told.artifact['bytes']} bytes of {found['bytes']}")
    if told.weights["sha256"] != weights:
        wrong.append("the model's weights are not those of the report")
    graph = _graph(told, checks)
    notes = [f"the graph is {graph}"] if changed and graph else []
    notes += wrong or [f"{len(now)} files as when they were written"]
    if not changed and graph == "another":  # a later toolkit may hash otherwise
        notes.append("the graph's hash is another than the report says")
    versions = _versions(told.environment, environment(find_format(told.format).lane))
    if versions:
        pairs = (f"{name} {now} for {then}" for name, (then, now) in versions.items())
        notes.append(f"verified with {', '.join(pairs)}")
    details = {"files": files, "graph": graph, "versions": versions}
    details = {key: value for key, value in details.items() if value}
    return verdict("hashes", not wrong, len(wrong), 0, "differences", "; ".join(notes), details)


def _graph(told: Report, checks: tuple[Check, ...]) -> str:
    now, then = structure(checks), told.artifact.get("graph_sha256") or structure(told.checks)
    return "" if not now or not then else "the same" if now == then else "another"


def _versions(then: dict, now: dict) -> dict[str, list[str]]:
    """What is of another version than when the artifact was written: then and now."""
    pairs = {key: [then.get(key, "none"), now.get(key, "none")] for key in {**then, **now}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _change(name: str, now: dict, then: dict) -> str:
    if name not in then:
        return "is not in the report"
    return "has changed" if name in now else "is gone"
