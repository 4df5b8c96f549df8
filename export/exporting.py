"""An export under way: model -> skeleton -> artifact -> checks -> report, in a place of its own."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np

from export.arguments import need_model
from export.aside import Aside
from export.calibration.prepared import prepare
from export.checks import Case, Expected
from export.cost import Meter
from export.errors import ExportError
from export.files import sync_tree
from export.formats import Format, find_format
from export.formats.base import Order, Written
from export.gate.examine import examine
from export.html.page import draw, load
from export.keeping import layers_to_keep
from export.lanes import make as make_lane
from export.memory import give_memory_back, trim
from export.names import folder_name
from export.observe.ahead import Ahead, jobs_for, may_look
from export.observe.base import Reference
from export.observe.probes import COUNT, inputs
from export.options import Options
from export.place import Place, check_goals, check_replaceable, check_space, staged
from export.process import Child
from export.progress import DONE, Progress, silent
from export.refusing import refuse_beyond, refuse_labels, refuse_unfit, refuse_unmet
from export.report.entries import artifact_entry, options_entry, warnings_of, weights_entry
from export.report.file import describe_artifact, environment, now, write_report
from export.required import require
from export.results import Check, Report
from export.tensorflow_settings import warnings_hidden

WAITING = "waiting for another export into the same folder"
MUCH = 200_000_000  # bytes that layers give for one sample; noise holds several times that


@dataclass(frozen=True)
class _Unjudged:
    """An artifact in its locked stage, and what it is to be held against."""

    case: Case
    place: Place
    written: Written
    settled: Future  # of `_settled`, of which nothing else reports an error of the disk


class Export:
    """Writes a model in several formats, and judges what it wrote.

        with Export("exports", ["onnx"]) as export:
            export.write(model)
            del model
            reports = export.judge()

    Nothing in it keeps the model, so a caller who lets go of it after `write` has its memory back
    before the artifacts are opened. It holds the artifacts' locked stages, which are gone at the
    end of the `with` unless `judge` published them, and a meter that runs from its beginning.
    Of several formats, one that cannot be made does not keep the others from their places: its
    error is in `unable`, by the format's name. What is found before the model is run is raised at
    once, unless `patient`. Raises ValueError for formats that make no sense.
    """

    def __init__(
        self,
        out: str | Path,
        formats: Iterable[str],
        *,
        progress: Progress = silent,
        patient: bool = False,
    ):
        names = [formats] if isinstance(formats, str) else formats
        self._out = Path(out)
        self._formats = [find_format(name) for name in dict.fromkeys(names)]
        self._progress = progress
        self._held = ExitStack()  # locked stages, and the meter's thread
        self._unjudged: list[_Unjudged] = []
        self._aside = Aside(len(self._formats), patient=patient, progress=progress)
        if not self._formats:
            raise ValueError("no format was asked for")

    @property
    def unable(self) -> dict[str, Exception]:
        """The error of each format that could not be made, by its name."""
        return self._aside.errors

    @property
    def _possible(self) -> list[Format]:
        """The formats that nothing has been found against."""
        return [format for format in self._formats if format.name not in self.unable]

    def __enter__(self) -> "Export":
        trim()  # what building the model took, which C keeps otherwise
        self.meter = Meter()
        self._held.callback(self.meter.close)
        return self

    def __exit__(self, *error) -> bool | None:
        return self._held.__exit__(*error)

    @warnings_hidden()
    def write(
        self,
        model,
        *,
        images: np.ndarray | None = None,
        expected: Expected | None = None,
        options: Options | None = None,
    ) -> None:
        """Write `model` in every format, each in a stage of its own; see `export_model`."""
        need_model(model, "export_model")
        if self._unjudged or self.unable:
            raise ValueError("one model is written already; call judge(), or begin another Export")
        self._options = options = options or Options()
        name = folder_name(options.name or model.name)
        from export.observe.model import noise_bytes, with_noise
        from export.skeleton.accepted import accept
        from export.skeleton.full_precision import in_full_precision
        from export.skeleton.wrapped import functional_of

        model, copied = in_full_precision(functional_of(model, images))
        contract = accept(model)
        check_goals(self._out, name, [format.name for format in self._formats])
        for format in self._formats:
            with self._aside.work(format.name, early=True):
                refuse_unfit(format, name, contract)
                self._prepare(format)
        places = self._stages(name)
        self._beside = self._held.enter_context(ThreadPoolExecutor(2))  # ends before the stages
        apart, stop = self._held.enter_context(ThreadPoolExecutor(1)), Event()
        self._held.callback(stop.set)  # or an export that ends early would wait for all of it
        skeleton = self._trace(model, places)
        orders = {
            name: options.order(skeleton, place.stage, place.scratch)
            for name, place in places.items()
        }
        self._begin(orders)
        if not self._possible:
            return
        seen = self._observe(model, skeleton, images)
        given = {**layers_to_keep(seen, options.keep_fp32), **self._calibration.order}
        orders = {name: replace(order, **given) for name, order in orders.items()}
        formats = tuple(self._possible)
        noise = apart.submit(with_noise, seen, skeleton, formats, options.keep_fp32, stop)
        # A self-test has a process of its own beside those that look.
        looking = jobs_for(skeleton.weight_bytes, options.jobs) - options.gate.tests
        self._ahead, self._looking = Ahead(self._held), max(1, looking)
        if noise_bytes(seen, formats) > MUCH:
            wait([noise])
        made = [*self._made(seen, orders, places, noise)]
        reference = noise.result().warned(copied)
        known = reference, expected or Expected.carried_by(model)
        self._unjudged = [
            _Unjudged(self._case(format, written, *known), place, written, settled)
            for format, place, written, settled in made
        ]

    def _made(
        self,
        seen: Reference,
        orders: Mapping[str, Order],
        places: Mapping[str, Place],
        noise: Future,
    ) -> Iterator[tuple[Format, Place, Written, Future]]:
        """Write the formats that can be made; mostly while the `noise` is measured."""
        first = self._possible[0]
        alone = not (first.lane or first.crowded)  # else processes of theirs need the memory
        if alone:
            with suppress(ExportError):  # as in judge
                self._ahead.start(first, places[first.name].scratch)
        for format in self._possible:
            if format.crowded:  # there may be no memory for both
                wait([noise])
            place, order = places[format.name], orders[format.name]
            with self._aside.work(format.name):
                written = self._write(format, order, noise)
                if alone and format is first and may_look(seen, self.meter.read()):
                    with suppress(ExportError):
                        self._ahead.look(format, place.stage, place.scratch, seen)
                yield format, place, written, self._beside.submit(_settled, place.stage)
        self._loading = self._beside.submit(load)  # what it lacks is told by `draw`

    def _case(self, format: Format, written: Written, reference, expected: Expected) -> Case:
        """What the checks of an artifact hold it against."""
        options, calibration = self._options, self._calibration
        return Case(
            format=format,
            reference=reference,
            expected=expected,
            batch_sizes=options.batch_sizes,
            stock=written.stock,
            compression=options.compression,
            kept=written.kept,
            calibration=calibration.entry(written.ranges),
            held_out=calibration.count_held_out,
            min_agreement=calibration.least_agreement(options.min_agreement),
        )

    def _trace(self, model, places: Mapping[str, Place]):
        """The network without its weights; a format that it is beyond is set aside."""
        from export.skeleton.tracing import trace

        name = self._options.name or model.name
        self._progress(name, "tracing the network without its weights")
        skeleton = trace(model)
        refuse_labels(self._options, skeleton)
        partial = self._options.gate.partial_engines
        for format in self._possible:
            with self._aside.work(format.name, early=True):
                refuse_beyond(format, skeleton, partial_engines=partial)
        check_space(self._out, skeleton.weight_bytes, len(self._possible))
        for place in places.values():
            place.wanted = skeleton.weight_bytes
        return skeleton

    def _begin(self, orders: Mapping[str, Order]) -> None:
        """Have a process of one format begin its work, while the model is run."""
        for format in self._possible:
            if format.begins:
                with self._aside.work(format.name), self.meter.on(format.name):
                    format.begin(orders[format.name], self._held)
                return

    def _observe(self, model, skeleton, images: np.ndarray | None) -> Reference:
        """What the model says, without its noise."""
        from export.observe.model import observe_model

        options = self._options
        doing = f"computing reference {skeleton.contract.called}"
        self._progress(options.name or model.name, doing)
        self._calibration = prepare(options.calibration, skeleton, options.seed)
        given, seeded = self._calibration.beside(images), options.probes
        compared = inputs(skeleton, options.seed, given, seeded=seeded)
        asked = {"seed": options.seed, "noise": False}
        seen = observe_model(model, skeleton, compared, self._possible, **asked)
        return replace(seen, probes=COUNT if seeded else 0)

    def judge(self) -> list[Report]:
        """Check what was written, and put it in its place; return the reports of what was."""
        if not self._unjudged and not self.unable:
            raise ValueError("there is nothing to judge; call write(model) first")
        reports, unjudged, self._unjudged = [], self._unjudged, []
        for at, artifact in enumerate(unjudged):
            name = artifact.case.format.name
            for other in unjudged[at : at + self._looking]:
                with suppress(ExportError):  # asked for again, and told, in its own turn
                    self._look(other)
            wait([self._loading])  # pages of a library could go that are just being written
            give_memory_back()  # before what they load is large
            self._progress(name, "verifying")
            with self._aside.work(name), self.meter.on(name):
                reports.append(self._judge(artifact))
                self._progress(name, DONE)
        return reports

    def _look(self, artifact: _Unjudged) -> Child:
        """Have a process look at an artifact, unless one does."""
        case, place = artifact.case, artifact.place
        return self._ahead.look(case.format, place.stage, place.scratch, case.reference)

    def _prepare(self, format: Format) -> None:
        """Make the lane that a format needs, and say what of the options is nothing to it.

        Raises ValueError where the options lack what it cannot be written without, and
        MissingPackage where this machine does.
        """
        refuse_unmet(format, self._options)
        if self._options.labels and not format.classifies:
            self._progress(format.name, "has no signature classify, so labels add nothing to it")
        if format.lane:
            with self.meter.on("lane"):  # made once, so no cost of any artifact
                make_lane(format.lane, self._progress)

    def _stages(self, model: str) -> dict[str, Place]:
        """A locked stage for each of the formats, by its name."""
        # Locked in an order of its own, or two exports with several formats wait for each other.
        return {
            name: self._held.enter_context(
                staged(self._out, model, name, partial(self._progress, name, WAITING))
            )
            for name in sorted(format.name for format in self._possible)
        }

    def _write(self, format: Format, order: Order, noise: Future) -> Written:
        if noise.done():
            give_memory_back()
        self._progress(format.name, "writing")
        # What is done while noise is measured counts in every format, as the noise does.
        with self.meter.on(format.name) if noise.done() else nullcontext():
            try:
                return format.write(order)
            except OSError as error:
                raise ExportError(
                    f"{format.name} could not be written to {order.folder}: "
                    f"{error.strerror or error}; free some space or choose another --out"
                ) from error

    def _judge(self, artifact: _Unjudged) -> Report:
        place, gate, jobs = artifact.place, self._options.gate, self._options.jobs
        child = self._look(artifact)
        asked = gate, self._progress, child, jobs
        checks = examine(artifact.case, place.stage, place.scratch, *asked)
        checks = require(checks, gate.require)
        goal = place.destination(checks, rounds=artifact.case.format.rounds)
        report = self._report(artifact, artifact.settled.result(), checks, goal)
        write_report(report, place.stage)
        draw(report, place.stage, self._progress)
        check_replaceable(goal)  # again: somebody may have put something there meanwhile
        place.publish(goal)
        return report

    def _report(
        self, artifact: _Unjudged, described: dict, checks: tuple[Check, ...], goal: Path
    ) -> Report:
        case, origin = artifact.case, self._options.origin
        return Report(
            model=self._options.name or case.reference.name,
            format=case.format.name,
            checks=checks,
            weights=weights_entry(origin, case.reference),
            calibration=dict(case.calibration),
            artifact=artifact_entry(described, artifact.written, checks),
            options=options_entry(self._options, case.reference),
            contract=case.reference.contract.as_dict(),
            warnings=warnings_of(origin.weights_source, case.reference, checks),
            cost=self.meter.read(case.format.name),
            environment=environment(case.format.lane),
            command=origin.command,
            model_source=dict(origin.model_source),
            compression=dict(origin.compression),
            created=now(),
            folder=str(goal),
        )


def _settled(stage: Path) -> dict:
    """Have the disk hold what is in `stage`, and describe it, while others look at it."""
    sync_tree(stage)
    return describe_artifact(stage)
