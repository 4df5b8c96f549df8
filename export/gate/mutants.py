"""Run mutants of an artifact in a process of their own, and write down what each gives.

ONNX is run without TensorFlow.
"""

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path

import numpy as np

from export.child import in_a_line
from export.compression.facts import look
from export.contract import Batch, Contract, Predict, joined, part, prefixed, rows
from export.endings import undone
from export.formats import find_format, open_network
from export.gate.mutations import Mutation, Subject, mutations_of
from export.gate.promised import PROMISES, promised
from export.networks.base import Edit, Network, around
from export.skeleton.fold import Norm
from export.skeleton.pour import digest

FEW = 2  # samples that a mutant is run on, unless its error is small


@dataclass(frozen=True)
class _Opened:
    """An artifact that was opened for changes."""

    network: Network
    run: Predict  # the network as it is
    batch: Batch
    outputs: Batch
    _: KW_ONLY
    precision: str


_opened: list[_Opened] = []  # what the job `try` is about


def work(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Do what the job says: `open` an artifact for changes, or `try` every mutation on it."""
    return DOES[job["do"]](job, arrays)


def _open(job: dict, batch: dict) -> tuple[dict, dict]:
    """Run an artifact on the inputs in `batch`, and answer with its outputs as arrays.

    The job names the `format` and the `folder`.
    """
    network = open_network(job["format"], Path(job["folder"]))
    run, precision = network.build(network.graph), find_format(job["format"]).precision
    outputs = joined(run(part(batch, where)) for where in _slices(batch))
    _opened[:] = [_Opened(network, run, batch, outputs, precision=precision)]
    return {}, outputs


def _try(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Try every mutation on the artifact that is open.

    The job says how weights are `held`, which `norms` there are and which `promises` of a
    compression, has the `contract` and the `endings` of its outputs, and gives the `bound` below
    which an error is looked at again on all inputs; `arrays` has `variance_<i>` and `beta_<i>` of
    each norm. The answer has a record for each mutation in `mutants`; its arrays are the outputs
    `mutant_<i>/<name>` of each that ran.
    """
    opened = _opened.pop()
    subject = Subject(
        opened.network,
        Contract.from_dict(job["contract"]),
        opened.outputs,
        job["held"],
        norms=_norms(job, arrays),
        promises=promised(job["promises"]),
    )
    measure = Measure(opened.batch, opened.outputs, job["endings"], job["bound"])
    known = mutations_of(opened.precision)
    known = (*known, *PROMISES) if subject.promises else known
    trials = [_Trying(mutation, subject, measure) for mutation in known]
    for trying in trials:
        trying.around(opened.run)
    del opened  # the network as it is goes before others are built
    for trying in trials:
        trying.inside()
    made = {}
    for number, trying in enumerate(trials):
        made |= prefixed(trying.outputs, mutant(number))
    return {"mutants": [trying.record for trying in trials]}, made


DOES = {"open": _open, "try": _try}


def mutant(number: int) -> str:
    """Return what the names of the outputs of a mutant begin with."""
    return f"mutant_{number}/"


def _slices(batch: Batch) -> Iterator[slice]:
    """The samples of `batch`, a few at a time."""
    return (slice(start, start + FEW) for start in range(0, rows(batch), FEW))


def _norms(job: dict, arrays: dict) -> tuple[Norm, ...]:
    return tuple(
        Norm(**norm, variance=arrays[f"variance_{i}"], beta=arrays[f"beta_{i}"])
        for i, norm in enumerate(job["norms"])
    )


class _Trying:
    """One mutation: its edits, each tried until one changes an output, and what came of them."""

    def __init__(self, mutation: Mutation, subject: Subject, measure: "Measure"):
        self.record = {
            "name": mutation.name,
            "why_none": mutation.why_none,
            "of_model": mutation.of_model,
            "effect": None,
        }
        self.outputs: Batch = {}  # of the first edit that changes any, or of the last that ran
        self._mutation, self._subject, self._measure = mutation, subject, measure

    def around(self, own: Predict) -> None:
        """Try the edits that come first and leave the graph of `own`, the network as it is."""
        for edit in takewhile(lambda edit: not edit.inside, self._mutation.edits_of(self._subject)):
            self._try(edit, lambda: own)
            if self.record["effect"]:
                break

    def inside(self) -> None:
        """Try the edits for which the network has to be built anew, one at a time in memory."""
        network = self._subject.network
        if self.record["effect"]:
            return
        for edit in filter(lambda edit: edit.inside, self._mutation.edits_of(self._subject)):
            graph = network.changed(edit)  # what fails here is our own fault
            self._try(edit, partial(network.build, graph, edit.weights))
            if self.record["effect"]:
                break

    def _try(self, edit: Edit, build: Callable[[], Predict]) -> None:
        record = self.record
        if self._mutation.of_model:
            record["facts"] = {name: vars(look(values)) for name, values in edit.weights.items()}
        else:
            record["weights"] = {name: digest(values) for name, values in edit.weights.items()}
        try:
            effect, self.outputs = self._measure.effect(build(), edit)
        except Exception as error:  # a network that is broken, not only wrong: it proves nothing
            record["error"] = in_a_line(error)
            return
        record["effect"] = effect
        record.pop("error", None)  # of a place before this one


@dataclass(frozen=True)
class Measure:
    """How far mutants change the outputs, which are compared before a final softmax or sigmoid."""

    batch: Batch
    base: Batch  # outputs of the network as it is
    endings: dict[str, str]
    bound: float

    def effect(self, predict: Predict, edit: Edit) -> tuple[float, Batch]:
        """Return the largest change in standard deviations, and the outputs that show it.

        It is that of a few inputs, or else of all. `predict` runs what `edit` built.
        """
        first, *rest = _slices(self.batch)
        outputs = self._outputs(predict, edit, first)
        effect = self._largest(outputs)
        if effect > 2 * self.bound or not rest:
            return effect, outputs
        outputs = joined([outputs, *(self._outputs(predict, edit, where) for where in rest)])
        return self._largest(outputs), outputs

    def _outputs(self, predict: Predict, edit: Edit, where: slice) -> Batch:
        """What is given for some samples: that is known where an edit changes outputs alone."""
        if edit.inside or edit.given:
            return around(predict, edit)(part(self.batch, where))
        known = part(self.base, where)
        return edit.gives(known) if edit.gives else known

    def _largest(self, outputs: Batch) -> float:
        return max(self._change(name, values) for name, values in outputs.items())

    def _change(self, name: str, values: np.ndarray) -> float:
        if values.dtype.kind != "f":
            return float((values != self.base[name][: len(values)]).mean())
        own, changed = (
            undone(one, self.endings.get(name, "")) for one in (self.base[name], values)
        )
        scale = float(own.std()) or 1.0
        change = float(np.abs(changed - own[: len(changed)]).max()) / scale
        return change if np.isfinite(change) else float("inf")
