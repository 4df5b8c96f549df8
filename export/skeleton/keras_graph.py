"""Which layers a Keras model runs, and their names: all that export reads of Keras' graphs.

Keras keeps these under private names; this is the one file to mend when they move.
"""

import re
from collections import Counter
from collections.abc import Iterator

RESERVED = ("image", "logits")  # the names of an artifact's own input and output


def kind(operation) -> str:
    """Return the name of the class if `operation` is one of Keras' own layers, else "".

    It is "" for operations of keras.ops, some of which, such as Reshape, are called like layers.
    """
    own = type(operation)
    is_keras = own.__module__.startswith("keras.") and hasattr(operation, "add_weight")
    return own.__name__ if is_keras else ""


def functional(operation):
    """Return the functional model behind `operation`, or None.

    A Sequential runs one. A user's subclass with its own `call` has none.
    """
    call = getattr(type(operation), "call", None)
    if not getattr(call, "__module__", "").startswith("keras."):
        return None
    inner = getattr(operation, "_functional", operation)
    return inner if hasattr(inner, "_run_through_graph") else None


def graphs(model) -> Iterator[tuple[str, object]]:
    """Yield (path, functional model) for `model` itself and the models nested in it, each once.

    A path is "" for `model`, and names of nested models such as "first/trunk".
    """
    seen, waiting = set(), [("", functional(model))]
    while waiting:
        path, graph = waiting.pop(0)
        if graph is not None and graph not in seen:
            seen.add(graph)
            yield path, graph
            waiting += [(_join(path, one.name), functional(one)) for one in operations(graph)]


def all_layers(model) -> list:
    """Return `model`, the layers in it, and the layers in those."""
    return list(model._flatten_layers())


def built_for(model):
    """Return the shape, or the structure of shapes, that `model` was first called with, or None."""
    shapes = model.get_build_config() or {}
    return shapes.get("input_shape") or shapes.get("shapes_dict")


def tables(operation) -> bool:
    """Return whether `operation` is one of Keras' layers that look words or numbers up."""
    return kind(operation) in ("IntegerLookup", "StringLookup", "TextVectorization")


def with_table(layer, make):
    """Return a copy of a layer of `tables` that looks up in `make(its own table)`."""
    copied = object.__new__(type(layer))  # copy() would build a new layer from its config
    vars(copied).update(vars(layer))
    if kind(layer) == "TextVectorization":
        vars(copied)["_lookup_layer"] = with_table(layer._lookup_layer, make)
    else:
        vars(copied)["lookup_table"] = make(layer.lookup_table)
    return copied


def input_rank(layer) -> int:
    """Return the number of axes of the first tensor that `layer` is first called with.

    It is 0 for a layer that only another layer calls.
    """
    calls = layer._inbound_nodes
    return len(calls[0].input_tensors[0].shape) if calls else 0


def takes_training(layer) -> bool:
    """Return whether the `call` of `layer` has an argument `training`."""
    return layer._call_has_training_arg


def nodes(graph) -> list:
    """Return every call of an operation in a functional model, its inputs included."""
    return [node for depth in graph._nodes_by_depth.values() for node in depth]


def in_running_order(graph) -> list:
    """Return the same calls, each after those that it needs."""
    depths = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, depth in depths for node in depth]


def operations(graph) -> list:
    """Return every operation of a functional model once, in an order that can be run."""
    return list(graph.operations)


def run_graph(graph, inputs, run):
    """Run a functional model, but call `run(operation)` in place of each operation.

    First `inputs` are converted to what the model declares, as when it is called. Keras' own way
    keeps what every operation gives until the end; here it is let go after its last use.
    """
    import keras

    # In the structure of the declared ones, or Keras warns of every call.
    inputs = keras.tree.pack_sequence_as(graph._inputs_struct, keras.tree.flatten(inputs))
    given = keras.tree.flatten(graph._standardize_inputs(inputs))
    held = {id(tensor): value for tensor, value in zip(graph.inputs, given, strict=True)}
    calls = [node for node in in_running_order(graph) if node.operation and not node.is_input]
    uses = Counter(id(tensor) for node in calls for tensor in node.input_tensors)
    uses.update(map(id, graph.outputs))
    for node in calls:
        taken = [id(tensor) for tensor in node.input_tensors]
        if any(tensor not in held for tensor in taken):
            continue  # Keras passes over what no input leads to
        args, options = node.arguments.fill_in(held)
        made = keras.tree.flatten(run(node.operation)(*args, **options))
        held |= {id(tensor): value for tensor, value in zip(node.outputs, made, strict=False)}
        uses.subtract(taken)
        for tensor in {*taken, *map(id, node.outputs)}:
            if uses[tensor] <= 0:
                held.pop(tensor, None)
        del args, options, made
    outputs = [held[id(tensor)] for tensor in graph.outputs]
    return keras.tree.pack_sequence_as(graph._outputs_struct, outputs)


def follow_graph(graph, inputs: list, run) -> list:
    """Return the flat outputs for flat `inputs`, which may be anything that stands for tensors.

    It is for operations that give one tensor.
    """
    import keras

    return keras.tree.flatten(graph._run_through_graph(inputs, operation_fn=run))


def input_keys(graph) -> list[str]:
    """Return the name of each input of a functional model: its key in a dict, or its own name."""
    keys = _keys(graph._inputs_struct)
    return [key or tensor.name for key, tensor in zip(keys, graph.inputs, strict=True)]


def output_keys(graph) -> tuple[list[str], list[str]]:
    """Return of each output of a functional model its key in a dict, or "", and its layer's name.

    The key of what is nested is the path to it, joined by "_".
    """
    return _keys(graph._outputs_struct), list(graph.output_names)


def _keys(structure) -> list[str]:
    import keras

    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    named = any(isinstance(step, str) for path in paths for step in path)
    return ["_".join(map(str, path)) if named else "" for path in paths]


def called_with(model, inputs: list, call=None):
    """Return what `model`, or `call` in its place, gives for its flat `inputs` at inference."""
    import keras

    structure = (functional(model) or model)._inputs_struct
    return (call or model)(keras.tree.pack_sequence_as(structure, inputs), training=False)


def as_taken(operation, inputs: tuple) -> tuple:
    """Return `inputs` as a call of `operation` converts them: floats to what it computes in."""
    import keras

    if not hasattr(operation, "add_weight") or not operation.autocast:
        return inputs

    def taken(one):
        differs = "float" in str(getattr(one, "dtype", "")) and hasattr(one, "shape")
        if not differs or keras.backend.standardize_dtype(one.dtype) == operation.compute_dtype:
            return one
        return keras.ops.cast(one, operation.compute_dtype)

    return keras.tree.map_structure(taken, inputs)


def has_mask(tensors) -> bool:
    """Return whether Keras keeps a mask with any of `tensors`, as an Embedding makes."""
    import keras

    return any(getattr(one, "_keras_mask", None) is not None for one in keras.tree.flatten(tensors))


def with_mask(layer, given, made):
    """Return `made` with the mask of `given`, as a call of `layer` would hand it on."""
    mask = getattr(given, "_keras_mask", None)
    if mask is not None and made is not given and layer.supports_masking:
        made._keras_mask = layer.compute_mask(given, mask)
    return made


def source(tensor):
    """Return the operation that gives a symbolic `tensor`."""
    return tensor._keras_history.operation


def layer_names(model) -> dict:
    """Return a unique name for each operation of `model` and of the models nested in it.

    It is the operation's own name if no other operation has that. Otherwise those in nested models
    get the path of their model before it, as in "first/conv". Their scopes are unique, too.
    """
    found = {}
    for path, graph in graphs(model):
        for operation in operations(graph):
            if functional(operation) is None:
                found.setdefault(operation, path)
    counts = {}
    for operation in found:
        counts[scope(operation.name)] = counts.get(scope(operation.name), 0) + 1
    names, taken = {}, set()
    for operation, path in found.items():
        alone = counts[scope(operation.name)] == 1
        name = unique(operation.name if alone else _join(path, operation.name), taken, scope)
        names[operation] = name
        taken.add(scope(name))
    return names


def unique(name: str, taken, spelled=str) -> str:
    """Return `name`, or the first of name_1, name_2, ... whose `spelled` is not `taken`."""
    tried, count = name, 0
    while spelled(tried) in taken:
        count += 1
        tried = f"{name}_{count}"
    return tried


def scope(layer: str) -> str:
    """Return the name scope of the operations of the layer called `layer`."""
    name = re.sub(r"[^A-Za-z0-9_.\-/]", "_", layer)
    if name in RESERVED:
        name += "_layer"
    return name if name[:1].isalnum() else f"layer{name}"


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
