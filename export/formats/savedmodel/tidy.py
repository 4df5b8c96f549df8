"""Make a SavedModel that TensorFlow has written lean, and the same bytes every time.

TensorFlow numbers functions with a counter of the process and keeps, for every node, shapes and
names that only its own tracing uses: in a small network a tenth of what the weights take.
"""

from pathlib import Path

from export.skeleton.graph import all_nodes, copied

NODE_ATTRIBUTES = ("_output_shapes", "_has_manual_control_dependencies", "debug_name")
FUNCTION_ATTRIBUTES = ("_input_shapes",)
RESOURCE = 20  # DataType.DT_RESOURCE


def tidy(folder: Path) -> None:
    """Rewrite the saved_model.pb in `folder`; its contents mean the same."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (meta_graph,) = model.meta_graphs
    meta_graph.meta_info_def.ClearField("stripped_op_list")
    library = meta_graph.graph_def.library
    for node in all_nodes(meta_graph.graph_def):
        node.ClearField("experimental_debug_info")
        for name in NODE_ATTRIBUTES:
            node.attr.pop(name, None)
    for function in library.function:
        _tidy_function(function)
    _rename(meta_graph)
    path.write_bytes(model.SerializeToString(deterministic=True))
    # A checksum of the file as it was, and a random number.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    if (folder / "assets").is_dir():
        (folder / "assets").rmdir()  # empty: a network reads no files


def _tidy_function(function) -> None:
    for name in FUNCTION_ATTRIBUTES:
        function.attr.pop(name, None)
    traced = "_traced_" in function.signature.name  # saves or restores variables
    for index, argument in enumerate(function.signature.input_arg):
        function.arg_attr[index].attr.pop("_output_shapes", None)
        if argument.type == RESOURCE or traced:
            function.arg_attr[index].attr.pop("_user_specified_name", None)
    if traced:
        _shorten(function)


def _shorten(function) -> None:
    """Number arguments and nodes, whose names are half of the functions that save and restore."""
    short = {a.name: f"a{i}" for i, a in enumerate(function.signature.input_arg)}
    short |= {node.name: f"n{i}" for i, node in enumerate(function.node_def)}

    def renamed(source: str) -> str:
        control, name = source[:1] == "^", source.lstrip("^")
        name, colon, port = name.partition(":")
        return ("^" if control else "") + short[name] + colon + port

    for argument in function.signature.input_arg:
        argument.name = short[argument.name]
    for node in function.node_def:
        node.name = short[node.name]
        node.input[:] = map(renamed, node.input)
    for returned in (function.ret, function.control_ret):
        for key in list(returned):
            returned[key] = renamed(returned[key])


def _rename(meta_graph) -> None:
    """Number functions from 0, by the order of the library's own names without their counters."""
    library = meta_graph.graph_def.library
    old = sorted(function.signature.name for function in library.function)
    stems = [name.rpartition("_")[0] for name in old]
    new = {
        name: f"{stem}_{stems[:index].count(stem)}"
        for index, (name, stem) in enumerate(zip(old, stems, strict=True))
    }
    functions = sorted(library.function, key=lambda function: new[function.signature.name])
    for function in functions:
        function.signature.name = new[function.signature.name]
    copies = [copied(function) for function in functions]
    del library.function[:]
    library.function.extend(copies)
    for node in all_nodes(meta_graph.graph_def):
        for value in node.attr.values():
            for called in (value.func, *value.list.func) if _calls(value) else ():
                called.name = new.get(called.name, called.name)
    _rename_objects(meta_graph.object_graph_def, new)


def _calls(value) -> bool:
    return value.WhichOneof("value") == "func" or bool(value.list.func)


def _rename_objects(objects, new: dict[str, str]) -> None:
    for name in [name for name in objects.concrete_functions if name in new]:
        objects.concrete_functions[new[name]].CopyFrom(objects.concrete_functions[name])
        if new[name] != name:
            del objects.concrete_functions[name]
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind == "function":
            names = [new.get(name, name) for name in node.function.concrete_functions]
            node.function.concrete_functions[:] = names
        elif kind == "bare_concrete_function":
            bare = node.bare_concrete_function
            bare.concrete_function_name = new.get(
                bare.concrete_function_name, bare.concrete_function_name
            )
