"""The entries of a report: what was asked for, what was written, and what a user should know."""

from collections.abc import Iterable
from dataclasses import asdict

from export.formats.base import Written
from export.observe.base import Reference
from export.report.manifest import structure
from export.results import EXPLICIT, NOT_ASKED, Check, Status

RANDOM_WEIGHTS = "random weights: for trying only"
SEEDED = "seeded:"  # how the source of random weights begins: that of keras_nets.prepare


def weights_entry(origin, reference: Reference) -> dict:
    """The `weights` entry: where they are from, their hashes, and what of the file was not read."""
    entry = {
        "source": origin.weights_source,
        "sha256": reference.sha256,
        "file_sha256": origin.weights_file_sha256,
        "note": origin.weights_note,
    }
    return {key: value for key, value in entry.items() if value}


def artifact_entry(described: dict, written: Written, checks: tuple[Check, ...]) -> dict:
    """The `artifact` entry: its files, `described` by their hashes, and how it was converted."""
    facts = {**asdict(written), "graph_sha256": structure(checks)}
    del facts["ranges"]  # they are of the entry `calibration`
    return described | {key: value for key, value in facts.items() if value}


def options_entry(options, reference: Reference) -> dict:
    """The `options` entry: what was asked for."""
    kind = reference.contract.classifier
    pictures = {"classes": kind.classes, "image": list(kind.image)} if kind else {}
    given = {name: dict(getattr(options, name)) for name in ("inputs", "preprocess")}
    return {
        **pictures,
        "flavour": options.flavour,
        "batch_sizes": list(options.batch_sizes),
        "seed": options.seed,
        **{name: entry for name, entry in given.items() if entry},
        **({} if options.probes else {"probes": "none"}),
    }


def has_random_weights(source: str) -> bool:
    """Whether weights from `source` are seeded, and so of no use but for trying."""
    return source.startswith(SEEDED)


def warnings_of(source: str, reference: Reference, checks: Iterable[Check]) -> tuple[str, ...]:
    """What no check fails for, and a user should know all the same.

    `source` is where the weights are from, as in the `weights` entry.
    """
    found = [RANDOM_WEIGHTS] if has_random_weights(source) else []
    found += reference.warnings
    checks = tuple(checks)
    found += [
        "ranges of activations are from synthetic images: calibrate with pictures of its use"
        for check in checks
        if check.name == "ranges" and check.details.get("synthetic")
    ]
    found += [
        f"weights not compared: {check.note}"
        for check in checks
        if check.name == "weights"
        and check.status is Status.SKIPPED
        and check.details.get("reason") != NOT_ASKED
    ]
    found += [
        warning
        for check in checks
        if check.name == "graph" and check.status is Status.PASSED
        for warning in _engine_warnings(check)
    ]
    return tuple(dict.fromkeys(found))


def _engine_warnings(check: Check) -> list[str]:
    """Say what is unusual about the engines that a check of the graph has accepted."""
    if "share" in check.details:
        return [f"TensorRT runs a part of the network: {check.note}"]
    if check.details.get("batch") == EXPLICIT:
        return [f"the engine has {check.note.rpartition('; ')[2]}"]
    return []
