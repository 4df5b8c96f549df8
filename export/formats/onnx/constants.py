"""Constants of a model that are no weights, kept from a pass that would round them."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

from export.formats.onnx.pairs import pairs_on, take_off
from export.formats.onnx.weightless import drop_unread_initializers

FLOAT = 1  # TensorProto.FLOAT


@contextmanager
def constants_opened(model) -> Iterator[list[str]]:
    """Make inputs of the float constants of `model`, and constants of them again at the end.

    Yields their names. Pairs that a pass put on them are taken off: an epsilon or a scale is as it
    is in every other format.
    """
    from onnx import helper

    graph, held = model.graph, {t.name: deepcopy(t) for t in model.graph.initializer}
    own = {name: tensor for name, tensor in held.items() if tensor.data_type == FLOAT}
    for name, tensor in own.items():
        graph.input.append(helper.make_tensor_value_info(name, FLOAT, list(tensor.dims)))
    _put(graph.initializer, [tensor for name, tensor in held.items() if name not in own])
    yield list(own)
    graph = model.graph  # a pass may have made another
    for name in own:
        take_off(graph, name, pairs_on(graph, name))
    _put(graph.input, [deepcopy(value) for value in graph.input if value.name not in own])
    graph.initializer.extend(own.values())
    drop_unread_initializers(graph)


def _put(field, values: list) -> None:
    del field[:]
    field.extend(values)
