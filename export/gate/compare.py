"""Compare an artifact with its model layer by layer, in a process of its own.

A few layers are fetched at a time, because the outputs of all of them take more memory than the
network.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from export.contract import GIVEN, Batch, named
from export.formats import find_format, open_network
from export.networks.base import only
from export.networks.layers import layer_tensors

AT_ONCE = 64_000_000  # bytes of outputs fetched in one run


def work(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Compare the outputs of all layers for one input.

    The job names the `format` and the `folder`; `scopes` says where each layer is and `sizes` how
    many values it gives. `arrays` has the inputs as `given/<name>` and either the output of each
    of the `layers` as `layer_<i>`, or the `skeleton`, a GraphDef: the outputs are then those of the
    skeleton with the artifact's own weights, whose names are in `held`, and layers `kept` are as
    they were. The answer has the `layers` with their error.
    """
    batch = named(arrays, GIVEN)
    network = open_network(job["format"], Path(job["folder"]))
    tensors = layer_tensors(job["scopes"], network.tensors(), only(network.outputs))
    if "skeleton" in arrays:
        wanted = _of_skeleton(job, network, batch, arrays["skeleton"].tobytes())
        tensors = {name: tensor for name, tensor in tensors.items() if name in wanted}
    else:
        wanted = {name: arrays[f"layer_{i}"] for i, name in enumerate(job["layers"])}
    entries = []
    for group in _groups(tensors, job["sizes"]):
        entries += _errors(network, group, batch, wanted)
    return {"layers": entries}, {}


def _groups(tensors: dict[str, str], sizes: dict[str, int]) -> Iterator[list[tuple[str, str]]]:
    """Yield layers and their tensors, as many at a time as fit into AT_ONCE."""
    group, size = [], 0
    for name, tensor in tensors.items():
        group.append((name, tensor))
        size += 4 * sizes[name]
        if size > AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _of_skeleton(job: dict, network, batch: Batch, skeleton: bytes) -> dict[str, np.ndarray]:
    """Return what each layer gives if the graph is right and the weights are the artifact's own."""
    from export.networks.rebuilt import rebuilt, rounding

    stored = rounding(find_format(job["format"]).constant, job["kept"])
    right = rebuilt(skeleton, network.read, job["held"], stored, (batch, network.outputs))
    tensors = layer_tensors(job["scopes"], right.tensors(), only(right.outputs))
    found = right.fetch(dict.fromkeys(tensors.values()), batch)
    return {name: found[tensor] for name, tensor in tensors.items()}


def _errors(network, group: list[tuple[str, str]], batch: Batch, wanted) -> list[dict]:
    fetched = network.fetch(dict.fromkeys(tensor for _, tensor in group), batch)
    return [
        {"name": name, "tensor": tensor, "error": difference(wanted[name], fetched[tensor])}
        for name, tensor in group
    ]


def difference(wanted: np.ndarray, got: np.ndarray) -> float | None:
    """Return the largest difference in standard deviations of `wanted`, channels first or last.

    None where there is none to tell: another shape, or a value that is not finite.
    """
    views = [got] if got.shape == wanted.shape else []
    if got.ndim > 2 and (turned := np.moveaxis(got, 1, -1)).shape == wanted.shape:
        views.append(turned)
    if not views and got.size == wanted.size and got.ndim != wanted.ndim:  # axes of length 1
        views.append(got.reshape(wanted.shape))
    spread = float(wanted.std()) or 1.0
    errors = [float(np.abs(view - wanted).max()) / spread for view in views]
    finite = [error for error in errors if np.isfinite(error)]
    return min(finite, default=None)
