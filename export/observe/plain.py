"""A rounded artifact without its rounding: what its graph computes, and what it should.

The artifact's graph, with nothing in it that rounds, runs beside the traced network on the same
weights, which are the artifact's own. Both compute in 32 bits, so they differ by the order of sums
and by nothing else, and a fault in the graph shows as it would in an artifact that does not round.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from export.contract import GIVEN, Batch, Predict, joined, named, part, prefixed, rows
from export.formats import find_format, open_network
from export.formats.base import Format
from export.memory import give_memory_back
from export.process import Child, child_of
from export.runtimes import parity_runtime

AT_ONCE = 1  # sample a run: what a layer gives is small beside all weights then
WANTED, GOT, SIMULATED = "wanted/", "got/", "simulated/"


@dataclass(frozen=True)
class Plain:
    """Outputs of the graph without rounding, and those that it should give."""

    wanted: Batch
    got: Batch
    error: str = ""  # why there are none
    simulated: Batch = field(default_factory=dict)  # activations rounded by their ranges, if any


def plainer(format: Format, scratch: Path) -> Child:
    """Start the process that `observe_plain` asks about artifacts of `format`: it imports now."""
    packages = (*parity_runtime(format).packages, "tensorflow")
    return child_of(__name__, scratch, "plain", packages)


def observe_plain(folder: Path, trial, child: Child) -> Plain:
    """Run both, in a `plainer`; `trial` has the reference, and says what the artifact holds."""
    reference, held = trial.reference, trial.names_in_artifact()
    if missing := [weight.name for weight in reference.weights if weight.name not in held]:
        return Plain({}, {}, f"{missing[0]} is not in it as it should be")
    job, arrays = asked_of(trial, folder)
    answer, made = child.ask(job, arrays)
    sides = (named(made, side) for side in (WANTED, GOT))
    return Plain(*sides, answer["error"], named(made, SIMULATED))


def asked_of(trial, folder: Path) -> tuple[dict, dict]:
    """The job and the arrays of `work` for an artifact that holds every weight."""
    reference, held = trial.reference, trial.names_in_artifact()
    job = {
        "format": trial.format.name,
        "folder": str(folder),
        "held": {weight.name: held[weight.name] for weight in reference.weights},
        "kept": list(trial.kept),
        "ranges": dict(trial.calibration.get("ranges", {})),
        "rounded": [pair["tensor"] for pair in trial.observation.graph.get("pairs", ())],
        "symmetric": getattr(trial.format, "symmetric", False),
    }
    graph = np.frombuffer(reference.graph, np.uint8)
    return job, {**prefixed(reference.inputs, GIVEN), "skeleton": graph}


def work(job: dict, arrays: dict) -> Iterator[tuple[dict, dict]]:
    """Run the artifact that the job names, its rounding taken out, and then the skeleton.

    The job names the `format` and the `folder` and says how weights are `held` and which layers
    are `kept` as they are; which tensors are `rounded`, by which `ranges`, and whether these are
    `symmetric` around 0. `arrays` has the inputs as `given/<name>` and the `skeleton`. The arrays
    of the answer are outputs, as `got/<name>`, `wanted/<name>` and, where there are ranges,
    `simulated/<name>`.
    """
    batch = named(arrays, GIVEN)
    network = open_network(job["format"], Path(job["folder"]))
    yield {}, prefixed(in_parts(batch, network.build(network.graph)), GOT)
    from export.networks.eight_bits import in_eight_bits
    from export.networks.rebuilt import rebuilt, rounding

    skeleton = arrays["skeleton"].tobytes()
    stored = rounding(find_format(job["format"]).constant, job["kept"])
    take = getattr(network, "take", network.read)  # or there would be two of every weight
    give_memory_back()
    right = rebuilt(skeleton, take, job["held"], stored, (batch, network.outputs))
    yield {}, prefixed(in_parts(batch, right.build(right.graph)), WANTED)
    if job["ranges"]:
        graph = in_eight_bits(right, job["rounded"], job["ranges"], symmetric=job["symmetric"])
        yield {}, prefixed(in_parts(batch, right.build(graph)), SIMULATED)


def in_parts(batch: Batch, predict: Predict) -> Batch:
    """What `predict` makes of `batch`, run a few samples at a time."""
    starts = range(0, rows(batch), AT_ONCE)
    return joined(predict(part(batch, slice(at, at + AT_ONCE))) for at in starts)
