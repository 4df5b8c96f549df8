"""Other operations for those that converters do not know, or servers have no kernel for."""

from export.skeleton.graph import add_constant, all_nodes, copied, needed, producer

UPDATE = "XlaDynamicUpdateSlice"


def without_compilation(graph) -> None:
    """Allow inlining of functions that Keras marks for XLA, which servers have switched off."""
    for holder in (*graph.node, *graph.library.function):
        for name in ("_XlaMustCompile", "_noinline"):
            holder.attr.pop(name, None)


def keep_loops(graph) -> None:
    """Keep loops and branches as calls, because functions of a SavedModel hold no other kind."""
    for node in all_nodes(graph):
        node.attr.pop("_lower_using_switch_merge", None)


def without_updates(graph) -> bool:
    """Write slices of tensors as TensorFlow does where Keras has XLA do so, as in a Swin.

    Servers have no kernel for XLA's own operation. Returns whether there was any; most of them
    write constants into constants, which can be computed then.
    """
    updates = [node for node in graph.node if node.op == UPDATE]
    for node in updates:
        into, values, start = node.input
        kinds = {key: node.attr[key].type for key in ("T", "Tindices")}
        node.op = "TensorStridedSliceUpdate"
        made = {
            "ones": graph.node.add(name=f"{node.name}/ones", op="OnesLike", input=[start]),
            "shape": graph.node.add(name=f"{node.name}/shape", op="Shape", input=[values]),
            "end": graph.node.add(name=f"{node.name}/end", op="AddV2"),
        }
        made["end"].input.extend([start, made["shape"].name])
        made["ones"].attr["T"].type = made["end"].attr["T"].type = kinds["Tindices"]
        made["shape"].attr["T"].type, made["shape"].attr["out_type"].type = kinds.values()
        node.ClearField("attr")
        node.attr["T"].type, node.attr["Index"].type = kinds.values()
        del node.input[:]
        node.input.extend([into, start, made["end"].name, made["ones"].name, values])
    return bool(updates)


def plain_operations(graph, kept):
    """Return `graph` with what REWRITES lists replaced, as far as the nodes `kept` need it."""
    plain = copied(graph)
    nodes = {node.name: node for node in graph.node}
    for node in list(plain.node):
        node.input[:] = [one for one in node.input if not _waits_for_placeholder(one, nodes)]
        if node.op in REWRITES:
            REWRITES[node.op](plain, node, nodes)
    return needed(plain, kept)


def _waits_for_placeholder(source: str, nodes) -> bool:
    """Whether it is a control input of what is always there, and what a caller replaces."""
    return source.startswith("^") and nodes[producer(source)].op == "Placeholder"


def _add(graph, node, name: str, op: str, *inputs: str) -> str:
    """Add an operation on tensors of the type of `node`, and return its name."""
    made = graph.node.add(name=f"{node.name}/{name}", op=op, input=inputs)
    made.attr["T"].CopyFrom(node.attr["T"])
    return made.name


def _number(graph, node, name: str, value: float) -> str:
    return add_constant(graph, f"{node.name}/{name}", value, node.attr["T"].type)


def _erfc(graph, node, _nodes) -> None:
    """Write erfc(x) as 1 - erf(x)."""
    erf = _add(graph, node, "erf", "Erf", node.input[0])
    node.op = "Sub"
    node.input[:] = [_number(graph, node, "one", 1.0), erf]


def _expm1(graph, node, _nodes) -> None:
    """Write exp(x) - 1 as tanh(x / 2) (exp(x) + 1), which is as exact for small x."""
    (x,) = node.input
    half = _add(graph, node, "half", "Mul", x, _number(graph, node, "a_half", 0.5))
    exp = _add(graph, node, "exp", "Exp", x)
    more = _add(graph, node, "more", "AddV2", exp, _number(graph, node, "one", 1.0))
    node.op = "Mul"
    node.input[:] = [_add(graph, node, "tanh", "Tanh", half), more]


def _log1p(graph, node, _nodes) -> None:
    """Write log(1 + x)."""
    (x,) = node.input
    node.op = "Log"
    node.input[:] = [_add(graph, node, "more", "AddV2", x, _number(graph, node, "one", 1.0))]


def _arg(graph, node, nodes) -> None:
    """Compare numbers as they are: Keras takes -0 for less than 0, by their bits."""
    chosen = nodes[producer(node.input[0])]
    if chosen.op != "SelectV2":
        return
    condition = nodes[producer(chosen.input[0])]
    if condition.op == "LogicalAnd" and "BitwiseAnd" in _behind(condition, nodes):
        node.input[0] = chosen.input[2]


def _behind(node, nodes) -> set[str]:
    """The operations two steps before a node."""
    first = [nodes[producer(source)] for source in node.input]
    return {nodes[producer(source)].op for one in first for source in one.input}


REWRITES = {"Erfc": _erfc, "Expm1": _expm1, "Log1p": _log1p, "ArgMax": _arg, "ArgMin": _arg}
