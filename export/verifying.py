"""A verification under way: an artifact on disk held against the Keras model that it should be."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.checks import Case, Expected, ask_nothing
from export.contract import called
from export.cost import Meter
from export.errors import ArtifactError, MissingPackage
from export.formats import Format, find_format
from export.formats.base import Order
from export.gate.examine import GateOptions, examine
from export.memory import give_memory_back
from export.observe.base import Reference
from export.observe.probes import COUNT, inputs
from export.printable import printable
from export.progress import DONE, Progress, silent
from export.report.entries import warnings_of
from export.report.file import environment, read_report
from export.report.manifest import compare_files, hashes, note_graph_changes
from export.required import require
from export.results import BATCH_SIZES, Check, Report
from export.tensorflow_settings import warnings_hidden


class Verification:
    """Checks an artifact again; nothing is written.

        with Verification("exports/vgg13/onnx") as verification:
            verification.observe(model)
            del model
            report = verification.judge()

    Nothing in it keeps the model, so a caller who lets go of it after `observe` has its memory back
    before the artifact is opened. A meter runs from the beginning. Entering raises ArtifactError
    where the folder has no report to read.
    """

    def __init__(self, folder: str | Path, *, progress: Progress = silent):
        self._folder = Path(folder)
        self._progress = progress
        self._reference: Reference | None = None

    def __enter__(self) -> "Verification":
        self._before = read_report(self._folder)
        if why := find_format(self._before.format).missing:
            raise MissingPackage(why)
        self._meter = Meter()
        return self

    def __exit__(self, *_) -> None:
        self._meter.close()

    @warnings_hidden()
    def observe(
        self,
        model,
        *,
        images: np.ndarray | None = None,
        expected: Expected | None = None,
        probes: bool | None = None,
        given: Mapping | None = None,
    ) -> None:
        """Take the word of the Keras `model` that the artifact should be; see `verify`.

        `probes` says whether it is compared on seeded inputs too; by default as at the export.
        `given` is what the report of this verification says of `images`: source, sha256, count.
        """
        from export.observe.model import observe_model
        from export.skeleton.full_precision import in_full_precision
        from export.skeleton.tracing import trace
        from export.skeleton.wrapped import functional_of

        before, format = self._before, find_format(self._before.format)
        self._progress(before.format, f"computing reference {called(before.contract)}")
        self._expected = expected or Expected.carried_by(model)
        model, copied = in_full_precision(functional_of(model, images))
        skeleton = trace(model)
        seed = before.options.get("seed", 0)
        seeded = before.options.get("probes") != "none" if probes is None else probes
        self._compared_on = {
            **({"inputs": dict(given)} if given else {}),
            **({} if seeded else {"probes": "none"}),
        }
        if not seeded and images is None:
            raise ArtifactError(
                f"{self._folder} was compared on {_given(before)} alone; give that again, or "
                "compare on seeded inputs with --probes seeded"
            )
        compared = inputs(skeleton, seed, images, seeded=seeded)
        keep = before.artifact.get("kept", {})
        reference = observe_model(model, skeleton, compared, [format], keep, seed=seed)
        self._reference = replace(reference.warned(copied), probes=COUNT if seeded else 0)
        self._stock = _stock(before, skeleton, self._progress)

    def judge(self, *, compare_hashes: bool = True, gate: GateOptions | None = None) -> Report:
        """Hold the artifact against what the model said, and its files against its report."""
        if self._reference is None:
            raise ValueError("there is nothing to hold it against yet; call observe(model) first")
        gate, before, reference = gate or GateOptions(), self._before, self._reference
        format = find_format(before.format)
        give_memory_back()
        self._progress(format.name, "verifying")
        compared = compare_files(self._folder, before) if compare_hashes else None
        opens = compared is None or compared.same  # else nothing that was changed is even opened
        checks = self._examine(format, gate) if opens else ()
        if compared:
            first = hashes(self._folder, before, reference.sha256, checks, compared)
            others = checks or ask_nothing(format, "the files are not those of the report")
            checks = (first, *others)
        checks = require(checks, gate.require)
        self._progress(format.name, DONE)
        kept = {key: one for key, one in before.options.items() if key not in ("inputs", "probes")}
        return replace(
            before,
            options={**kept, **self._compared_on},
            checks=checks,
            warnings=warnings_of(before.weights["source"], reference, checks),
            cost=self._meter.read(),
            environment=environment(format.lane),
        )

    def _examine(self, format: Format, gate: GateOptions) -> tuple[Check, ...]:
        case = Case(
            format=format,
            reference=self._reference,
            expected=self._expected,
            batch_sizes=tuple(self._before.options.get("batch_sizes", BATCH_SIZES)),
            stock=self._stock,
            compression=self._before.compression,
            kept=self._before.artifact.get("kept", {}),
            calibration=self._before.calibration,
        )
        with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
            checks = examine(case, self._folder, Path(scratch), gate, self._progress)
        return note_graph_changes(self._before, checks)


def _given(before: Report) -> str:
    """What an export was compared on beside probes, in words."""
    entry = before.options.get("inputs")
    if not isinstance(entry, dict) or not entry:
        return "images of the user"
    count, source, sha256 = (entry.get(name, "?") for name in ("count", "source", "sha256"))
    return printable(f"{count} inputs of {source} (sha256 {str(sha256)[:12]}...)")


def _stock(before: Report, skeleton, progress: Progress) -> str:
    """If the report claims a fallback conversion, convert again and return the reason; else "".

    The report alone is not believed, for then it could switch the check of weights off.
    """
    if not before.artifact.get("stock"):
        return ""
    format = find_format(before.format)
    progress(format.name, "converting again, to see whether weights can be told apart")
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
        folder, own = Path(scratch, "artifact"), Path(scratch, "scratch")
        folder.mkdir()
        own.mkdir()
        return format.write(Order(skeleton=skeleton, folder=folder, scratch=own)).stock
