"""Run mutants of an artifact in a process of their own, and write down what each gives.

ONNX is run without TensorFlow.
"""

from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path

import numpy as np

from export.child import in_a_line
from export.formats import find_format, open_network
from export.gate.mutations import Mutation, Subject, mutations_of
from export.networks.base import Edit, Predict, around
from export.skeleton.fold import Norm
from export.skeleton.pour import digest

FEW = 2  # images that a mutant is run on, unless its error is small


def work(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Try every mutation on an artifact.

    The job names the `format` and the `folder`, says how weights are `held` and which `norms` there
    are, and gives the `bound` below which an error is looked at again on all images; `arrays` has
    the `images`, and `variance_<i>` and `beta_<i>` of each norm. The answer has a record for each
    mutation in `mutants`; its arrays are the logits: `base`, and `mutant_<i>` of each that ran.
    """
    images = arrays["images"]
    network = open_network(job["format"], Path(job["folder"]))
    own = network.build(network.graph)
    base = np.concatenate([own(images[i : i + FEW]) for i in range(0, len(images), FEW)])
    subject = Subject(network, base, job["held"], _norms(job, arrays))
    known = mutations_of(find_format(job["format"]).precision)
    trials = [_Trying(mutation, subject, images, job["bound"]) for mutation in known]
    for trying in trials:
        trying.around(own)
    del own  # the network as it is goes before others are built
    for trying in trials:
        trying.inside()
    made = {f"mutant_{i}": t.logits for i, t in enumerate(trials) if t.logits is not None}
    return {"mutants": [trying.record for trying in trials]}, {"base": base, **made}


def _norms(job: dict, arrays: dict) -> tuple[Norm, ...]:
    return tuple(
        Norm(**norm, variance=arrays[f"variance_{i}"], beta=arrays[f"beta_{i}"])
        for i, norm in enumerate(job["norms"])
    )


class _Trying:
    """One mutation: its edits, each tried until one changes a logit, and what came of them."""

    def __init__(self, mutation: Mutation, subject: Subject, images, bound: float):
        self.record = {"name": mutation.name, "why_none": mutation.why_none, "effect": None}
        self.logits = None  # of the first edit that changes any, or of the last that ran
        self._mutation, self._subject = mutation, subject
        self._images, self._bound = images, bound

    def around(self, own: Predict) -> None:
        """Try the edits that leave the graph of `own`, the network as it is, alone."""
        for edit in takewhile(lambda edit: not edit.inside, self._mutation.edits(self._subject)):
            self._try(edit, lambda: own)
            if self.record["effect"]:
                break

    def inside(self) -> None:
        """Try the edits for which the network has to be built anew, one at a time in memory."""
        network = self._subject.network
        for edit in takewhile(lambda edit: edit.inside, self._mutation.edits(self._subject)):
            graph = network.changed(edit)  # what fails here is our own fault
            self._try(edit, partial(network.build, graph, edit.weights))
            if self.record["effect"]:
                break

    def _try(self, edit: Edit, build: Callable[[], Predict]) -> None:
        record = self.record
        record["weights"] = {name: digest(values) for name, values in edit.weights.items()}
        try:
            base = self._subject.logits
            effect, self.logits = _effect(around(build(), edit), base, self._images, self._bound)
        except Exception as error:  # a network that is broken, not only wrong: it proves nothing
            record["error"] = in_a_line(error)
            return
        record["effect"] = effect
        record.pop("error", None)  # of a place before this one


def _effect(predict, base, images, bound: float):
    """Return the largest change of a logit in standard deviations, and the logits.

    A few images will do, unless the change is small.
    """
    scale = float(base.std()) or 1.0
    logits = predict(images[:FEW])
    effect = _difference(logits, base[:FEW], scale)
    if effect > 2 * bound or len(images) <= FEW:
        return effect, logits
    rest = [predict(images[i : i + FEW]) for i in range(FEW, len(images), FEW)]
    logits = np.concatenate([logits, *rest])
    return _difference(logits, base, scale), logits


def _difference(logits, base, scale: float) -> float:
    difference = float(np.abs(logits - base).max()) / scale
    return difference if np.isfinite(difference) else float("inf")
