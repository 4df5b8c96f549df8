"""One hash for the structure of a graph: operations, their options and how they are connected.

Names, weights and the order of functions do not count, so two exports of one network agree whatever
counters a converter was at, and a changed file tells whether it is the graph that changed.
"""

import hashlib
from collections.abc import Iterable

FLOATS = (1, 10)
WEIGHTS = (1, 3, 6, 10)  # TensorProto's FLOAT, INT8, INT32 and FLOAT16


def structure_of_onnx(graph) -> str:
    """sha256 of the structure of an ONNX GraphProto."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    numbers: dict[str, int] = {"": -1}
    lines = []

    def number(name: str) -> int:
        """The name's turn; an initializer, whose name may be anything, has it where it is read."""
        if name not in numbers:
            numbers[name] = len(numbers)
            if name in held:
                lines.append(_held(held[name]))
        return numbers[name]

    for value in graph.input:
        number(value.name)
    for node in graph.node:
        options = sorted(a.SerializeToString(deterministic=True).hex() for a in node.attribute)
        lines.append((node.op_type, [number(name) for name in node.input], options))
        for name in node.output:
            number(name)
    unread = sorted(_held(held[name]) for name in held.keys() - numbers.keys())
    return _digest([*lines, *unread, [number(value.name) for value in graph.output]])


def _held(tensor) -> tuple:
    """Indices and shapes are structure, what is of WEIGHTS is a weight."""
    if tensor.data_type in WEIGHTS and (tensor.dims or tensor.data_type in FLOATS):
        return tensor.data_type, tuple(tensor.dims), ""
    values = type(tensor)()
    values.CopyFrom(tensor)
    values.ClearField("name")
    return tensor.data_type, tuple(tensor.dims), values.SerializeToString(deterministic=True).hex()


def structure_of_tensorflow(graph, ends: Iterable[tuple[str, str]] = ()) -> str:
    """sha256 of the structure of a GraphDef and of its functions.

    `ends` says which tensor (`node:port`) each input or output of a signature is, by its name.
    """
    functions = _Functions(graph.library)
    numbers = {node.name: index for index, node in enumerate(graph.node)}
    return _digest(
        [
            sorted(map(functions.digest, functions.library)),
            *_lines(graph.node, numbers, functions),
            sorted((name, _numbered(tensor, numbers)) for name, tensor in ends),
        ]
    )


class _Functions:
    """The functions of a library; `digest` is of a function and of those that it calls."""

    def __init__(self, library):
        self.library = {function.signature.name: function for function in library.function}
        self._digests = {}

    def digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = "calls itself"  # found by whoever asks before this is done
            self._digests[name] = self._digest(self.library[name])
        return self._digests[name]

    def _digest(self, function) -> str:
        nodes, given = function.node_def, function.signature.input_arg
        numbers = {node.name: index for index, node in enumerate(nodes)}
        numbers |= {argument.name: f"argument {k}" for k, argument in enumerate(given)}
        returned = [
            _numbered(function.ret[output.name], numbers)
            for output in function.signature.output_arg
            if output.name in function.ret
        ]
        awaited = sorted(str(numbers.get(name)) for name in function.control_ret.values())
        types = [(argument.type, argument.type_attr) for argument in given]
        return _digest([*_lines(nodes, numbers, self), types, returned, awaited])


def _lines(nodes: Iterable, numbers: dict, functions: _Functions) -> list:
    return [
        (
            node.op,
            [_numbered(source, numbers) for source in node.input],
            [
                (key, _option(value, functions))
                for key, value in sorted(node.attr.items())
                if key[0] != "_"
            ],
        )
        for node in nodes
    ]


def _numbered(source: str, numbers: dict) -> str:
    """`source` with the number of the node, or of the argument, for its name."""
    control, name = source[:1] == "^", source.removeprefix("^")
    name, colon, port = name.partition(":")
    return f"{'^' if control else ''}{numbers.get(name, 'nothing')}{colon}{port}"


def _option(value, functions: _Functions) -> str:
    kind = value.WhichOneof("value")
    if kind == "func" or (kind == "list" and value.list.func):
        names = [func.name for func in ([value.func] if kind == "func" else value.list.func)]
        return str([functions.digest(n) if n in functions.library else n for n in names])
    if kind == "tensor" and value.tensor.dtype == 1 and value.tensor.tensor_shape.dim:
        return str([dim.size for dim in value.tensor.tensor_shape.dim])
    return value.SerializeToString(deterministic=True).hex()


def _digest(lines: list) -> str:
    return hashlib.sha256(repr(lines).encode()).hexdigest()
