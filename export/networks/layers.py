"""Which tensor of an artifact holds the output of which Keras layer.

Operations keep the scope that they were traced in, a layer's name, through every converter.
"""

import re
from collections.abc import Iterable

from export.skeleton.fold import Norm
from export.skeleton.keras_graph import scope

# What converters and loaders put before a name.
PREFIX = re.compile(
    r"^(TRTEngineOp_\d+_\d+|StatefulPartitionedCall(_\d+)?|PartitionedCall(_\d+)?)/"
)
# What a converter put in and, when it moved it past other operations, did not rename.
INSERTED = re.compile(r"__\d+(:\d+)?$")


def layer_scopes(layers: Iterable[str], norms: Iterable[Norm]) -> dict[str, str]:
    """Map the layers whose outputs an artifact can hold to the scope of each, in order.

    A layer that a batch-norm folds into has no output of its own left: the batch-norm's is there.
    """
    into = {norm.name: norm.into for norm in norms if norm.into}
    folded = set(into.values())
    return {name: scope(into.get(name, name)) for name in layers if name not in folded}


def layer_tensors(scopes: dict[str, str], tensors: list[str], end: str) -> dict[str, str]:
    """Map each layer to the last of the `tensors` in its scope; they are in running order.

    The last layer's is `end`, the network's only output, which the converter may have renamed; it
    is empty where there are several.
    """
    last = {}
    for tensor in tensors:
        name = tensor if not INSERTED.search(tensor) else ""
        while PREFIX.match(name):
            name = PREFIX.sub("", name)
        head = name.rpartition("/")[0]
        while head:
            last[head] = tensor
            head = head.rpartition("/")[0]
    found = {layer: last[path] for layer, path in scopes.items() if path in last}
    final = next(reversed(scopes), None)
    return {**found, **({final: end} if final and end else {})}
