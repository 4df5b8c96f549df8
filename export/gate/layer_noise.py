"""Measure the noise of layers on the weights that an artifact holds, in a process of its own."""

from pathlib import Path

from export.contract import GIVEN, named
from export.formats import find_format, open_network


def work(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Move each layer of the network by making sums in other orders.

    The job names the `format` and the `folder`; `held` has the artifact's names of weights by
    Keras', `kept` are layers that the format left as they were, and `scopes` says where each layer
    is. `arrays` has the inputs as `given/<name>` and the `skeleton`. The answer has in `moved`, by
    layers, how far each moves in its own standard deviations.
    """
    from export.networks.noise import layers_moved
    from export.networks.rebuilt import rebuilt, rounding

    batch = named(arrays, GIVEN)
    network = open_network(job["format"], Path(job["folder"]))
    stored = rounding(find_format(job["format"]).constant, job["kept"])
    ends = batch, network.outputs
    right = rebuilt(arrays["skeleton"].tobytes(), network.read, job["held"], stored, ends)
    return {"moved": layers_moved(right, job["scopes"], batch)}, {}
