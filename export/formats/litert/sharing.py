"""Write what is the same in a model once, as flatbuffers may: zero points, shapes, options.

Zero points take eight bytes for each channel of a kernel and of a bias, and are all 0: in a small
network of 8 bits they and what is repeated beside them are a twenty-fifth of the file.
"""

from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass

import flatbuffers
import numpy as np


class Builder(flatbuffers.Builder):
    """Packs equal vectors once; `once` does so for tables."""

    def __init__(self):
        super().__init__(1 << 16)
        self._made: dict[Hashable, int] = {}

    def once(self, content: Hashable, make: Callable[[], int]) -> int:
        """The place of what `make` packs, which is called for the first of that content alone."""
        if content not in self._made:
            self._made[content] = make()
        return self._made[content]

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        return self.once(_content(x), lambda: super(Builder, self).CreateNumpyVector(x))


@dataclass(frozen=True)
class _Shared:
    """A table that is packed once for all that are equal."""

    table: object

    def Pack(self, builder: Builder) -> int:
        return builder.once(_content(self.table), lambda: self.table.Pack(builder))


def shared(model):
    """A copy of `model` whose equal tables are packed once, by a `Builder`."""
    model = _with(model, subgraphs=[_graph(graph) for graph in model.subgraphs])
    empty = _content(type(model.buffers[0])())
    model.buffers = [_Shared(one) if _content(one) == empty else one for one in model.buffers]
    return model


def _graph(graph):
    return _with(
        graph,
        tensors=[_with(one, quantization=_table(one.quantization)) for one in graph.tensors],
        operators=[
            _with(one, builtinOptions=_table(one.builtinOptions)) for one in graph.operators
        ],
    )


def _table(table) -> _Shared | None:
    return None if table is None else _Shared(table)


def _with(table, **fields):
    """A copy of a table with other `fields`."""
    made = copy(table)
    vars(made).update(fields)
    return made


def _content(value) -> Hashable:
    """What a value is equal to another by."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, list):
        return tuple(map(_content, value))
    if hasattr(value, "Pack"):
        return type(value), *((name, _content(one)) for name, one in sorted(vars(value).items()))
    return value
