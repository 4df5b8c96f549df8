"""An artifact on disk as its report describes it, and its files held against their hashes."""

import json
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.contract import Contract, in_words
from export.errors import ArtifactError
from export.printable import printable
from export.report.entries import RANDOM_WEIGHTS, has_random_weights
from export.report.file import NAME as REPORT
from export.report.file import file_sha256, read_content
from export.report.paths import check_path
from export.results import BATCH_SIZES, EXPLICIT, Check, Status, Verdict, verdict_of

_FORMAT = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What a report says of the files beside it."""

    folder: Path
    model: str  # as the report has it: any text
    format: str
    contract: Contract
    flavour: str | None  # None where the report says nothing of it
    batch_sizes: tuple[int, ...]  # ascending; of TF-TRT, those its engine is built for
    source: str  # of the weights: seeded:0, or a file
    weights_sha256: str
    files: dict[str, str]  # path below `folder`, with slashes -> sha256 in hex
    bytes: int  # of all of them
    checks: tuple[Check, ...]  # without their numbers
    passed: bool  # the report says so, and no check in it failed
    warnings: tuple[str, ...]
    seed: int  # of probes, and of weights that a function draws
    preprocess: dict | None  # how pictures become inputs, where the export was told
    model_source: dict  # how to build the model again; empty where the report says nothing

    @property
    def image(self) -> tuple[int, int, int] | None:
        """Height, width and channels; None where it is no classifier of pictures."""
        return self.contract.classifier and self.contract.classifier.image

    @property
    def classes(self) -> int | None:
        """How many classes it tells apart; None where it is no classifier of pictures."""
        return self.contract.classifier and self.contract.classifier.classes

    @property
    def grows(self) -> bool:
        """Whether it builds an engine for each larger batch; else the first has to be the largest.

        That is so of TF-TRT with explicit batch, whose one engine takes no larger batches.
        """
        return all(check.details.get("batch") != EXPLICIT for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """A sentence for each check that was skipped, with its reason."""
        return tuple(
            printable(
                f"{check.name} was never checked: {check.note or 'the report gives no reason'}"
            )
            for check in self.checks
            if check.status is Status.SKIPPED
        )

    @property
    def origin(self) -> tuple:
        """Equal for artifacts of the same Keras model."""
        return self.model, self.contract, self.flavour, self.weights_sha256


def read_artifact(folder: Path) -> Artifact:
    """Read `folder`/report.json, of an artifact that passed its verification or did not.

    Raises ArtifactError where the report is missing or unreadable, or lists names that are no paths
    below its folder. Hashes are not compared here: see `verify_files`.
    """
    content = read_content(folder)
    try:
        artifact = _artifact(folder, content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        reason = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause)
        raise ArtifactError(f"{folder / REPORT} is no report: {printable(reason)}") from cause
    _check_values(artifact)
    return artifact


def _artifact(folder: Path, content: dict) -> Artifact:
    options, weights, written = content["options"], content["weights"], content["artifact"]
    checks = tuple(_check(entry) for entry in content["checks"])
    failed = verdict_of(checks) is Verdict.NOT_VERIFIED
    flavour = options.get("flavour")
    return Artifact(
        folder=folder,
        model=content["model"],
        format=content["format"],
        contract=_contract(content),
        flavour=None if flavour is None else str(flavour),
        batch_sizes=tuple(sorted({int(n) for n in options.get("batch_sizes") or BATCH_SIZES})),
        source=str(weights["source"]),
        weights_sha256=str(weights.get("sha256", "")),
        files={check_path(path): str(sha256) for path, sha256 in written["files"].items()},
        bytes=int(written.get("bytes", 0)),
        checks=checks,
        passed=content["passed"] is True and not failed,
        warnings=_warnings(content),
        seed=int(options.get("seed", 0)),
        preprocess=options.get("preprocess"),
        model_source=dict(content.get("model_source") or {}),
    )


def _contract(content: dict) -> Contract:
    """Return the contract that a report has; those of old are of classifiers of pictures.

    Raises ValueError where its options say otherwise.
    """
    if "contract" not in content:
        return Contract.of_classifier(*_image_and_classes(content["options"]))
    contract = Contract.from_dict(content["contract"])
    classifier, options = contract.classifier, content["options"]
    stated = _image_and_classes(options) if classifier and "image" in options else None
    if stated and stated != (classifier.image, classifier.classes):
        raise ValueError("its options and its contract differ in the image or the classes")
    return contract


def _image_and_classes(options: dict) -> tuple[tuple[int, ...], int]:
    image = tuple(int(side) for side in options["image"])
    if len(image) != 3:
        raise ValueError(f"it has no image (height, width, channels). Received: {image}")
    return image, int(options["classes"])


def _check(entry: dict) -> Check:
    name, note = printable(str(entry["name"])), str(entry.get("note", ""))
    details = entry.get("details")
    batch = details.get("batch") if isinstance(details, dict) else None
    kept = {"batch": batch} if isinstance(batch, str) else {}
    return Check(name, Status(entry["status"]), note=note, details=kept)


def _warnings(content: dict) -> tuple[str, ...]:
    """Return the report's warnings; random weights are one, also in reports of schema 1."""
    warnings = tuple(printable(str(warning)) for warning in content.get("warnings", ()))
    random = has_random_weights(str(content["weights"]["source"]))
    if random and not any(warning.startswith("random weights") for warning in warnings):
        return (RANDOM_WEIGHTS, *warnings)
    return warnings


def _check_values(artifact: Artifact) -> None:
    """Raise ArtifactError where a report's values can be those of no artifact."""
    report = artifact.folder / REPORT
    if not isinstance(artifact.model, str):
        raise ArtifactError(f"{report} names no model. Received: {artifact.model!r:.80}")
    if not isinstance(artifact.format, str) or not _FORMAT.fullmatch(artifact.format):
        raise ArtifactError(f"{report} names no format. Received: {artifact.format!r:.80}")
    if wrong := _wrong_sizes(artifact.contract):
        raise ArtifactError(
            f"{report} has no image (height, width, channels) and class count. "
            f"Received: {wrong:.120}"
        )
    if not artifact.files or artifact.batch_sizes[0] < 1:
        raise ArtifactError(f"{report} lists no files, or a batch of none")


def need_classifier(artifact: Artifact, what: str) -> None:
    """Raise ArtifactError, which says `what` is of classifiers of pictures alone, for any other."""
    contract = artifact.contract
    if not contract.classifier:
        given, made = map(in_words, (contract.inputs, contract.outputs))
        raise ArtifactError(
            f"{what} is of classifiers of pictures, one float32 image in and one row of logits "
            f"out, and {artifact.folder} takes {given} and gives {made}"
        )


def _wrong_sizes(contract: Contract) -> str:
    """Return the tensors of a contract that no network can have; empty where there are none."""
    tensors = (*contract.inputs, *contract.outputs)
    wrong = [t for t in tensors if any(isinstance(n, int) and n < 1 for n in t.shape)]
    if not contract.inputs or not contract.outputs or wrong:
        return f"{[t.shape[1:] for t in tensors]}"
    return ""


def identity(artifact: Artifact) -> str:
    """The files' hashes as reported, with sizes and times, so that no change goes unseen.

    Raises ArtifactError where one of them is gone.
    """
    facts = []
    for name, sha256 in sorted(artifact.files.items()):
        path = artifact.folder / name
        try:
            found = path.stat()
        except OSError as cause:
            raise ArtifactError(
                f"{str(path)!r} is gone, which the report lists; export it again"
            ) from cause
        facts.append((name, sha256, found.st_size, found.st_mtime_ns))
    return json.dumps(facts)


def verify_file(path: Path, sha256: str) -> None:
    """Raise ArtifactError unless the file at `path` hashes to `sha256`."""
    try:
        found = file_sha256(path)
    except FileNotFoundError as cause:
        raise ArtifactError(f"{path} went away while it was read; run this again") from cause
    if found != sha256:
        raise ArtifactError(
            f"{path.name} is not what was verified (sha256 {found[:12]}, the report says "
            f"{printable(sha256[:12])}); export it again"
        )


def verify_files(artifact: Artifact, names: Iterable[str]) -> None:
    """Raise ArtifactError unless each of `names` is a file of the artifact's own, as verified.

    Links and pipes are none, nor is what lies behind a linked folder.
    """
    for name in names:
        path = artifact.folder
        for part in name.split("/"):
            path = path / part
            _refuse_link(path)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ArtifactError(f"{path} is no regular file; export it again")
        verify_file(path, artifact.files[name])


def _refuse_link(path: Path) -> None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise ArtifactError(f"{path} is in the report and not on disk; export it again") from cause
    if stat.S_ISLNK(found.st_mode):
        raise ArtifactError(
            f"{path} is a link, and only an artifact's own files are served; export it again"
        )
