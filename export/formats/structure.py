"""One hash for the structure of a graph: operations, their options and how they are connected.

Names, weights and the order of functions do not count, so two exports of one network agree whatever
counters a converter was at, and a changed file tells whether it is the graph that changed.
"""

import hashlib
import re
from collections.abc import Iterable

COUNTER = re.compile(r"(_\d+)+$")  # that TensorFlow puts behind the names of functions


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
    """Indices and shapes are structure, floats are weights."""
    if tensor.data_type == 1:
        return tensor.data_type, tuple(tensor.dims), ""
    values = type(tensor)()
    values.CopyFrom(tensor)
    values.ClearField("name")
    return tensor.data_type, tuple(tensor.dims), values.SerializeToString(deterministic=True).hex()


def structure_of_tensorflow(graph) -> str:
    """sha256 of the structure of a GraphDef and of its functions."""
    functions = sorted(
        _digest([*_lines(f.node_def), len(f.signature.input_arg), len(f.signature.output_arg)])
        for f in graph.library.function
    )
    return _digest([functions, *_lines(graph.node)])


def _lines(nodes: Iterable) -> list:
    nodes = list(nodes)
    numbers = {node.name: index for index, node in enumerate(nodes)}
    return [
        (
            node.op,
            [_numbered(source, numbers) for source in node.input],
            [(key, _option(node.attr[key])) for key in sorted(node.attr) if key[0] != "_"],
        )
        for node in nodes
    ]


def _numbered(source: str, numbers: dict[str, int]) -> str:
    """`source` with the node's number for its name; an argument of a function keeps its port."""
    control, name = source[:1] == "^", source.removeprefix("^")
    name, colon, port = name.partition(":")
    return f"{'^' if control else ''}{numbers.get(name, 'argument')}{colon}{port}"


def _option(value) -> str:
    if value.HasField("func"):
        return COUNTER.sub("", value.func.name)
    if value.HasField("tensor") and value.tensor.dtype == 1 and value.tensor.tensor_shape.dim:
        return str([dim.size for dim in value.tensor.tensor_shape.dim])
    return value.SerializeToString(deterministic=True).hex()


def _digest(lines: list) -> str:
    return hashlib.sha256(repr(lines).encode()).hexdigest()
