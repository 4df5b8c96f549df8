"""Run mutants of an artifact in a process of their own, and write down what each gives.

    python -m export.gate.mutants job.json

The job names the `format`, the `folder` of the artifact, the archive of what is `given` (images,
logits of the model, batch-norms) and the `result` (.npz); it says how weights are `held`, and the
`bound` below which an error is looked at again on all images. ONNX is run without TensorFlow.
"""

import json
import sys
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.formats import open_network
from export.gate.mutations import MUTATIONS, Mutation, Subject
from export.networks.base import around
from export.skeleton.fold import Norm
from export.skeleton.pour import digest

FEW = 2  # images that a mutant is run on, unless its error is small


def main(job: dict) -> None:
    told, arrays = {"mutants": [], "error": ""}, {}
    try:
        with np.load(job["given"]) as given:
            told["mutants"] = _run(job, given, arrays)
    except ExportError as error:
        told["error"] = str(error)
    except Exception as error:  # runtimes raise what they like
        told["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    np.savez(job["result"], told=json.dumps(told), **arrays)


def _run(job: dict, given, arrays: dict) -> list[dict]:
    """A record of each mutation; its logits go to `arrays`."""
    images = given["images"]
    network = open_network(job["format"], Path(job["folder"]))
    own = network.build(network.graph)
    base = np.concatenate([own(images[i : i + FEW]) for i in range(0, len(images), FEW)])
    arrays["base"] = base
    norms = tuple(
        Norm(**n, variance=given[f"variance_{i}"], beta=given[f"beta_{i}"])
        for i, n in enumerate(job["norms"])
    )
    subject = Subject(network, base, job["held"], norms)
    records = [{"name": m.name, "why_none": m.why_none, "effect": None} for m in MUTATIONS]

    def mutate_all(own):
        for number, mutation in enumerate(MUTATIONS):
            logits = _mutate(records[number], mutation, subject, images, job["bound"], own)
            if logits is not None:
                arrays[f"mutant_{number}"] = logits

    mutate_all(own)
    del own  # the network as it is goes before others are built
    mutate_all(None)
    return records


def _mutate(record: dict, mutation: Mutation, subject: Subject, images, bound: float, own):
    """Logits of the first edit that changes any, or of the last that runs; None where none does.

    Where the network as it is, `own`, is given, it is the turn of edits around it; else of others.
    """
    logits = None
    for edit in mutation.edits(subject):
        if edit.inside == bool(own):
            break
        record["weights"] = {name: digest(values) for name, values in edit.weights.items()}
        graph = subject.network.changed(edit)  # what fails here is our own fault
        try:
            built = own or subject.network.build(graph, edit.weights)
            effect, logits = _effect(around(built, edit), subject.logits, images, bound)
        except Exception as error:  # a network that is broken, not only wrong: it proves nothing
            record["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        record["effect"] = effect
        record.pop("error", None)  # of a place before this one
        if effect != 0:
            break
        built = None  # before the next is built
    return logits


def _effect(predict, base, images, bound: float):
    """The largest change of a logit in standard deviations: on a few images, or else on all."""
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


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
