"""What it would bring to leave layers in 32 bits, by simulated rounding of the same network.

The traced network runs on the artifact's own weights, its activations rounded but for those of the
layers that are left. Their weights stay as they are in the artifact, so the true gain is larger.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export.checks import Trial
from export.checks.costly import SHOWN, costliest
from export.checks.parity import held_out, moved
from export.contract import GIVEN, Batch, named, part, prefixed
from export.errors import Shortage
from export.formats import find_format, open_network
from export.networks.layers import layer_scopes
from export.observe.plain import asked_of, in_parts
from export.process import ChildFailed, ask
from export.runtimes import parity_runtime
from export.skeleton.graph import producer

LITTLE = 0.9  # of the error: what is left where it is hardly worth a layer
RIGHT = "right/"  # before the name of an output of the model


@dataclass(frozen=True)
class Gain:
    """Simulated rounding with `layers` left in 32 bits: the error in std, and the agreement."""

    layers: tuple[str, ...]
    error: float
    agreement: float  # 1 where there are no classes


def measure_gain(trial: Trial, folder: Path, scratch: Path) -> tuple[list[Gain], str]:
    """Simulate with no layer left in 32 bits, and with the one, two and three that bring most.

    There are none where nothing can be simulated; else the first is of no layer. Last comes why it
    did not run.
    """
    reference, plain, costly = trial.reference, trial.plain, _costly(trial)
    if not trial.format.rounds_activations or plain is None or plain.error or not costly:
        return [], ""
    job, arrays = asked_of(trial, folder)
    own = held_out(trial) if trial.held_out else slice(None)
    given, right = (part(side, own) for side in (reference.inputs, reference.outputs))
    arrays |= {**prefixed(given, GIVEN), **prefixed(right, RIGHT)}
    job |= {"costly": costly, "scopes": _scopes(trial)}
    packages = (*parity_runtime(trial.format).packages, "tensorflow")
    try:
        answer, made = ask(__name__, job, arrays, scratch, packages=packages)
    except (ChildFailed, Shortage) as error:  # the artifact has failed all the same, by its parity
        return [], str(error)
    if answer["error"]:
        return [], answer["error"]
    gains = [
        _gain(trial, tuple(case), named(made, f"{number}/"), right)
        for number, case in enumerate(answer["cases"])
    ]
    return gains, ""


def _scopes(trial: Trial) -> dict[str, str]:
    names = [layer.name for layer in trial.reference.noise.layers]
    return layer_scopes(names, trial.reference.norms)


def _costly(trial: Trial) -> list[str]:
    """The layers at which rounding costs most."""
    if trial.reference.noise is None or not trial.reference.noise.layers:
        return []
    known = _scopes(trial)
    costs = costliest(trial.reference.noise, trial.format.rule.kind)
    return [name for name, cost in costs if cost > 0 and name in known][:SHOWN]


def _gain(trial: Trial, layers: tuple[str, ...], simulated: Batch, right: Batch) -> Gain:
    agreement = 1.0
    if trial.reference.contract.classifier:
        ((wanted,), (found,)) = right.values(), simulated.values()
        agreement = float(np.mean(wanted.argmax(axis=1) == found.argmax(axis=1)))
    return Gain(layers, moved(trial, simulated, right), agreement)


def sentence(gains: Sequence[Gain], least: float) -> str:
    """Which layers to keep, by which words, and what it brings; `least` is the agreement wanted."""
    before, *others = gains
    enough = [gain for gain in others if gain.agreement >= least and gain.error < before.error]
    best = enough[0] if enough else max(others, key=lambda gain: (gain.agreement, -gain.error))
    words = " ".join(f"--keep-fp32 {layer}" for layer in best.layers)
    if best.agreement <= before.agreement and best.error > LITTLE * before.error:
        return f"simulated, {words} gains next to nothing"
    return (
        f"simulated, {words} brings the error from {before.error:.1e} to {best.error:.1e} std "
        f"and agreement from {before.agreement:.3f} to {best.agreement:.3f}"
    )


def as_details(gains: Sequence[Gain]) -> dict:
    """What report.json keeps of them."""
    return {"gain": [{**asdict(gain), "layers": list(gain.layers)} for gain in gains]}


def work(job: dict, arrays: dict) -> Iterator[tuple[dict, dict]]:
    """Run the traced network with the artifact's weights, some layers not rounded.

    `costly` are layers, and `scopes` those of all layers; `arrays` has what the model gives as
    `right/<name>`; all else is as in export/observe/plain.py. The answer's `cases` are lists of
    layers, and the arrays the outputs of each as `<case>/<name>`.
    """
    simulation, right = _Simulation(job, arrays), named(arrays, RIGHT)
    groups = simulation.groups(job["costly"])
    order = sorted(groups, key=lambda group: _distance(simulation.run(group), right))[:SHOWN]
    cases = [sorted(set().union(*order[:number])) for number in range(len(order) + 1)]
    cases = [case for at, case in enumerate(cases) if case not in cases[:at]]
    for number, case in enumerate(cases):
        yield {"cases": cases}, prefixed(simulation.run(case), f"{number}/")


class _Simulation:
    """The traced network, of which some layers may be left in 32 bits."""

    def __init__(self, job: dict, arrays: dict):
        from export.networks.rebuilt import rebuilt, rounding

        self._job, self._batch = job, named(arrays, GIVEN)
        format, network = (
            find_format(job["format"]),
            open_network(job["format"], Path(job["folder"])),
        )
        stored = rounding(format.constant, job["kept"])
        skeleton, take = arrays["skeleton"].tobytes(), getattr(network, "take", network.read)
        ends = (self._batch, network.outputs)
        self._network = rebuilt(skeleton, take, job["held"], stored, ends)
        self._tensors = dict.fromkeys(map(producer, job["rounded"]))
        for tensor in self._tensors:
            readers = [n for n in self._network.graph.node if tensor in map(producer, n.input)]
            self._tensors[tensor] = {self._layer(node.name) for node in readers} - {None}

    def _layer(self, node: str) -> str | None:
        """The layer that a node is of, which is the innermost; None for the network's own."""
        around = [name for name, path in self._job["scopes"].items() if node.startswith(f"{path}/")]
        return max(around, key=lambda name: len(self._job["scopes"][name]), default=None)

    def groups(self, costly: Sequence[str]) -> list[frozenset[str]]:
        """Layers that only together leave numbers exact: what is lost may show in the next."""
        groups = [frozenset([name]) for name in costly]
        for tensor, readers in self._tensors.items():
            group = frozenset(readers | ({self._layer(tensor)} - {None}))
            if group & set(costly):
                groups.append(group)
        return list(dict.fromkeys(groups))

    def run(self, left: Collection[str]) -> Batch:
        """The outputs with layers `left` in 32 bits."""
        from export.networks.eight_bits import in_eight_bits
        from export.networks.noise import halved

        job, network = self._job, self._network
        if not job["ranges"]:
            graph = halved(network, tuple(f"{job['scopes'][name]}/" for name in left))
            return in_parts(self._batch, network.build(graph))
        rounded = [tensor for tensor in self._tensors if not self._is_exact(tensor, left)]
        graph = in_eight_bits(network, rounded, job["ranges"], symmetric=job["symmetric"])
        return in_parts(self._batch, network.build(graph))

    def _is_exact(self, tensor: str, left: Collection[str]) -> bool:
        """Whether neither what gives a tensor nor what reads it is rounded."""
        given = self._layer(tensor)
        return self._tensors[tensor] <= set(left) and (given is None or given in left)


def _distance(made: Batch, right: Batch) -> float:
    """How far outputs are from the right ones, in the mean."""
    return sum(float(np.square(made[name] - right[name]).mean()) for name in right)
