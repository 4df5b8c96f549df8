"""The whole way: model -> skeleton -> artifact -> checks -> report, in a place of its own.

`make` needs the model and writes; `judge` needs only what `make` returns and checks, so a caller
who lets go of the model in between has its memory back before the artifacts are opened.
"""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.arguments import in_order, need_model
from export.checks import Case, Expected, ask_nothing
from export.cost import Meter
from export.errors import ArtifactError, ExportError, MissingPackage
from export.formats import Format, find_format
from export.formats.base import Order, Written
from export.gate.examine import Wish, examine
from export.html.page import write_page
from export.lanes import make as make_lane
from export.observe.model import Reference
from export.observe.probes import inputs
from export.options import Options
from export.place import FAILED, Place, check_goals, check_replaceable, check_space, staged
from export.process import give_memory_back
from export.progress import DONE, Progress, silent
from export.report.entries import artifact_entry, options_entry, warnings_of, weights_entry
from export.report.file import as_dict, environment, failures, now, read_report, write_report
from export.report.manifest import compare_files, hashes, tell_graph_changes
from export.required import require
from export.results import Check, Report
from export.tensorflow_settings import warnings_hidden


@dataclass(frozen=True, kw_only=True)
class Made:
    """Artifacts written but not yet judged, each in its locked stage."""

    reference: Reference
    expected: Expected
    options: Options
    places: tuple[tuple[Format, Place, Written], ...]
    locks: ExitStack
    meter: Meter
    progress: Progress


def export_model(
    model,
    formats: Iterable[str] = ("savedmodel",),
    out: str | Path = "exports",
    *,
    images: np.ndarray | None = None,
    expected: Expected | None = None,
    options: Options | None = None,
    progress: Progress = silent,
) -> list[Report]:
    """Write a Keras `model` in every one of `formats` under `out`, check it, and report.

    The model takes images (batch, height, width, channels) float32 and gives logits
    (batch, classes). Artifacts land in `<out>/<model.name>/<format>/`. They are compared on seeded
    probes and on `images`, normalised float32 (n, height, width, channels). The check `params`
    expects the counts that a network of the catalog carries, unless others are `expected`. Raises
    ValueError for arguments that make no sense and ExportError where this machine cannot do it; an
    artifact that fails a check is no exception but a report whose `passed` is false.
    """
    made = make(
        model, formats, out, images=images, expected=expected, options=options, progress=progress
    )
    del model
    return judge(made)


@warnings_hidden()
def make(
    model,
    formats: Iterable[str],
    out: str | Path,
    *,
    images: np.ndarray | None = None,
    expected: Expected | None = None,
    options: Options | None = None,
    progress: Progress = silent,
    meter: Meter | None = None,
) -> Made:
    """Write `model` in every one of `formats`, each in a stage of its own; see `export_model`."""
    need_model(model, "export_model")
    formats = [formats] if isinstance(formats, str) else formats
    wanted = [find_format(name) for name in dict.fromkeys(formats)]
    if not wanted:
        raise ValueError("no format was asked for")
    options, meter = options or Options(), meter or Meter()
    name = model.name
    if not name or name in (".", "..") or "/" in name:
        raise ValueError(f"a model's name becomes a folder's, and {name!r} cannot be one")
    from export.observe.model import observe_model
    from export.skeleton.tracing import trace

    check_goals(Path(out), name, [format.name for format in wanted])
    for format in wanted:
        _prepare(format, options, meter, progress)
    with ExitStack() as locks:
        places = _stages(locks, Path(out), name, wanted, progress)
        progress(name, "tracing the network without its weights")
        skeleton = trace(model)
        check_space(Path(out), skeleton.weight_bytes, len(wanted))
        for place in places:
            place.wanted = skeleton.weight_bytes
        progress(name, "computing reference logits")
        compared = inputs(skeleton.image, options.seed, images, skeleton.takes)
        reference = observe_model(model, skeleton, compared)
        written = []
        for format, place in zip(wanted, places, strict=True):
            give_memory_back()
            progress(format.name, "writing")
            with meter.on(format.name):
                written.append((format, place, _write(format, skeleton, place, options)))
        expected = expected or Expected.carried_by(model)
        return Made(
            reference=reference,
            expected=expected,
            options=options,
            places=tuple(written),
            locks=locks.pop_all(),
            meter=meter,
            progress=progress,
        )


def _prepare(format: Format, options: Options, meter: Meter, progress: Progress) -> None:
    """Make the lane that a format needs, and say what of the options is nothing to it."""
    if options.labels and not format.classifies:
        progress(format.name, "has no signature classify, so labels add nothing to it")
    if format.lane:
        with meter.on("lane"):  # made once, so no cost of any artifact
            make_lane(format.lane, progress)


def _stages(locks: ExitStack, out: Path, name: str, wanted: list, progress: Progress) -> list:
    """A locked stage for each of the formats, until `locks` closes."""
    # Always in the same order, or two exports with several formats wait for each other.
    stages = {
        format.name: locks.enter_context(_stage(out, name, format, progress))
        for format in sorted(wanted, key=lambda format: format.name)
    }
    return [stages[format.name] for format in wanted]


def judge(made: Made) -> list[Report]:
    """Check what `make` wrote and put it in its place."""
    give_memory_back()
    reports = []
    with made.locks:
        for format, place, said in made.places:
            made.progress(format.name, "verifying")
            with made.meter.on(format.name):
                reports.append(_judge(made, format, place, said))
            made.progress(format.name, DONE)
    made.meter.close()
    return reports


def _judge(made: Made, format: Format, place: Place, said: Written) -> Report:
    reference, options = made.reference, made.options
    case = Case(
        format=format,
        reference=reference,
        expected=made.expected,
        batch_sizes=options.batch_sizes,
        stock=said.stock,
    )
    checks = examine(case, place.stage, place.scratch, options.wish, made.progress)
    checks = require(checks, options.wish.require)
    goal = _goal(place, checks)
    report = Report(
        model=reference.name,
        format=format.name,
        checks=checks,
        weights=weights_entry(options, reference),
        artifact=artifact_entry(place.stage, said, checks),
        options=options_entry(options, reference),
        warnings=warnings_of(options.weights_source, reference, checks),
        cost=made.meter.read(format.name),
        environment=environment(format.lane),
        command=options.command,
        created=now(),
        folder=str(goal),
    )
    write_report(report, place.stage)
    _draw(report, place.stage, made.progress)
    check_replaceable(goal)  # again: somebody may have put something there meanwhile
    place.publish(goal)
    return report


def verify(
    model,
    folder: str | Path,
    *,
    images: np.ndarray | None = None,
    expected: Expected | None = None,
    compare_hashes: bool = True,
    wish: Wish | None = None,
    progress: Progress = silent,
) -> Report:
    """Check again, against the Keras `model` that it should be, the artifact in `folder`.

    The arguments come in the order of `export_model`; swapped ones are taken too, with a warning.
    Nothing is written. The check `hashes` compares every file, and the model's weights, with the
    report.json in `folder`. `images` are as in `export_model`. Raises ArtifactError where the
    folder cannot be read.
    """
    model, folder = in_order(model, folder)
    expected = expected or Expected.carried_by(model)
    looked = look(folder, model, images=images, progress=progress)
    del model
    return judge_again(
        looked, expected=expected, compare_hashes=compare_hashes, wish=wish, progress=progress
    )


@dataclass(frozen=True)
class Looked:
    """An artifact's report, and what the model that it should be says now."""

    told: Report
    reference: Reference
    stock: str  # why the converter's own way is taken, where it is
    meter: Meter


@warnings_hidden()
def look(
    folder: str | Path,
    model,
    *,
    images: np.ndarray | None = None,
    progress: Progress = silent,
    meter: Meter | None = None,
) -> Looked:
    """The part of `verify` that needs the model, for callers who let go of it then."""
    from export.observe.model import observe_model
    from export.skeleton.tracing import trace

    meter, told = meter or Meter(), read_report(Path(folder))
    progress(told.format, "computing reference logits")
    skeleton = trace(model)
    compared = inputs(skeleton.image, told.options.get("seed", 0), images, skeleton.takes)
    reference = observe_model(model, skeleton, compared)
    return Looked(told, reference, _stock(told, skeleton, progress), meter)


def _stock(told: Report, skeleton, progress: Progress) -> str:
    """Why the converter's own way is taken; it is converted again where the report says so.

    The report alone is not believed, for then it could switch the check of weights off.
    """
    if not told.artifact.get("stock"):
        return ""
    format = find_format(told.format)
    progress(format.name, "converting again, to see whether weights can be told apart")
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
        folder, own = Path(scratch, "artifact"), Path(scratch, "scratch")
        folder.mkdir()
        own.mkdir()
        return format.write(Order(skeleton=skeleton, folder=folder, scratch=own)).stock


def judge_again(
    looked: Looked,
    *,
    expected: Expected,
    compare_hashes: bool = True,
    wish: Wish | None = None,
    progress: Progress = silent,
) -> Report:
    """The part of `verify` that needs no model."""
    told, reference = looked.told, looked.reference
    format, folder = find_format(told.format), Path(told.folder)
    give_memory_back()
    progress(format.name, "verifying")
    compared = compare_files(folder, told) if compare_hashes else None
    opens = compared is None or compared.same  # else nothing that was changed is even opened
    checks = _examine_again(looked, format, expected, wish, progress) if opens else ()
    if compared:
        first = hashes(folder, told, reference.sha256, checks, compared)
        checks = (first, *(checks or ask_nothing(format, "the files are not those of the report")))
    checks = require(checks, wish.require if wish else ())
    progress(format.name, DONE)
    cost = looked.meter.read()
    looked.meter.close()
    return replace(
        told,
        checks=checks,
        warnings=warnings_of(told.weights["source"], reference, checks),
        cost=cost,
        environment=environment(format.lane),
    )


def _examine_again(looked: Looked, format: Format, expected, wish, progress) -> tuple[Check, ...]:
    sizes = tuple(looked.told.options.get("batch_sizes", Options.batch_sizes))
    case = Case(
        format=format,
        reference=looked.reference,
        expected=expected,
        batch_sizes=sizes,
        stock=looked.stock,
    )
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
        checks = examine(case, Path(looked.told.folder), Path(scratch), wish, progress)
    return tell_graph_changes(looked.told, checks)


def _draw(report: Report, folder: Path, progress: Progress) -> None:
    """Write report.html; a broken plotting library costs the page, not the artifact."""
    try:
        write_page(as_dict(report), folder, report.folder)
    except MissingPackage as error:
        progress(report.format, f"no report.html: {error}")


def _stage(out: Path, model: str, format: Format, progress: Progress):
    def waiting():
        progress(format.name, "waiting for another export into the same folder")

    return staged(out, model, format.name, waiting)


def _write(format: Format, skeleton, place: Place, options: Options) -> Written:
    try:
        return format.write(options.order(skeleton, place.stage, place.scratch))
    except OSError as error:
        raise ExportError(
            f"{format.name} could not be written to {place.stage}: {error.strerror or error}; "
            "free some space or choose another --out"
        ) from error


def _goal(place: Place, checks: tuple[Check, ...]) -> Path:
    """The artifact's place; beside it for one that failed, if a good one would be replaced."""
    try:
        keeps = failures(checks) and read_report(place.goal).passed
    except ArtifactError:
        keeps = False
    return place.goal.with_name(place.goal.name + FAILED) if keeps else place.goal
