"""Which whole numbers an input takes, found from the tables that they are looked up in."""

from collections.abc import Iterator

from export.contract import Contract
from export.skeleton.keras_graph import functional, kind, nodes

SIZES = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens"}  # layers, and their table's


def id_ranges(model, contract: Contract) -> dict[str, int]:
    """Return for each input of whole numbers the smallest table that they are looked up in.

    All numbers from 0 to one below that can be looked up. Inputs of no table are left out.
    """
    graph, found = functional(model), {}
    if graph is None:
        return found
    for tensor, given in zip(contract.inputs, graph.inputs, strict=True):
        sizes = [] if tensor.floats else list(_tables(graph, given))
        if sizes:
            found[tensor.name] = min(sizes)
    return found


def _tables(graph, tensor) -> Iterator[int]:
    """Yield the size of every table that `tensor`, or what is made of it, is looked up in."""
    for node in nodes(graph):
        if not any(one is tensor for one in node.input_tensors):
            continue
        inner, size = functional(node.operation), SIZES.get(kind(node.operation))
        if inner is not None:
            at = next(i for i, one in enumerate(node.input_tensors) if one is tensor)
            yield from _tables(inner, inner.inputs[at])
        elif size:
            yield getattr(node.operation, size)
        else:
            for made in node.output_tensors:
                if made is not tensor and "int" in str(made.dtype):
                    yield from _tables(graph, made)
