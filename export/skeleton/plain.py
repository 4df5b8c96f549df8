"""Other operations for those that converters do not know, or servers have no kernel for."""

from export.skeleton.graph import add_constant, all_nodes

UPDATE = "XlaDynamicUpdateSlice"
PLAIN = {"Erfc": "Erf", "Expm1": "Exp"}  # one less than which, or less one of which, each is


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


def plain_operations(graph):
    """Replace operations that converters do not know: 1 - erf(x) for erfc, exp(x) - 1 for expm1."""
    plain = type(graph)(versions=graph.versions, library=graph.library)
    for node in graph.node:
        made = plain.node.add()
        made.CopyFrom(node)
        if node.op not in PLAIN:
            continue
        made.op = PLAIN[node.op]
        made.name = f"{node.name}/{made.op.lower()}"
        one = add_constant(plain, f"{node.name}/one", 1.0, node.attr["T"].type)
        sides = [one, made.name] if node.op == "Erfc" else [made.name, one]
        rest = plain.node.add(name=node.name, op="Sub", input=sides)
        rest.attr["T"].CopyFrom(node.attr["T"])
    return plain
