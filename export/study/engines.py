"""Engines of TF-TRT artifacts, run on a GPU to be measured."""

from dataclasses import dataclass
from pathlib import Path

from export.contract import IMAGE, Batch, Contract, in_words
from export.errors import ArtifactError, ExportError
from export.formats import find_format
from export.observe.engine import run_engine
from export.observe.probes import probes
from export.report.file import read_report
from export.results import Report


@dataclass(frozen=True)
class Engine:
    """The engine of the artifact in `folder`, and the seeded pictures that it is run on."""

    folder: Path
    report: Report
    inputs: Batch

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes that the artifact was made for, the smallest first."""
        return tuple(sorted(self.report.options["batch_sizes"]))

    @property
    def name(self) -> str:
        return f"{self.report.model} {self.report.format}"

    def run(self, sizes: tuple[int, ...]):
        """Run batches of `sizes` in this order, in a fresh process, and say what came of each.

        Raises ExportError where one does not run, or engines cannot be counted.
        """
        run = run_engine(find_format(self.report.format), self.folder, self.inputs, sizes)
        for why in (run.unable, run.failed, run.uncounted):
            if why:
                raise ExportError(f"{self.folder} could not be measured: {why}")
        return run.batches


def open_engine(folder: Path) -> Engine:
    """Return the engine in `folder`; ArtifactError if there is none, or it takes no pictures."""
    report = read_report(folder)
    if not find_format(report.format).engine_rule:
        raise ArtifactError(f"{folder} is {report.format}, which has no engine; name a TF-TRT one")
    given = _input(report, folder)
    inputs = {given: probes(tuple(report.options["image"]), report.options["seed"])}
    return Engine(folder, report, inputs)


def _input(report: Report, folder: Path) -> str:
    """The name of the one input."""
    if not report.contract:
        return IMAGE  # a report of old, which only classifiers have
    contract = Contract.from_dict(report.contract)
    if not contract.classifier:
        raise ArtifactError(
            f"{folder} takes {in_words(contract.inputs)}, and only classifiers of pictures are "
            "measured; name one of those"
        )
    return contract.inputs[0].name
