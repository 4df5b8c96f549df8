"""Join the signature `classify` to a finished graph, such as TF-TRT's, without touching its engine.

The placeholder `image` becomes one with a default value, the output of the decoder. A request to
`serving_default` feeds `image`; a request to `classify` leaves it to the decoder. Both run the same
engine.
"""

import re
from collections.abc import Sequence

import tensorflow as tf

from export.signatures import CLASSIFY, SIGNATURE
from export.signatures.classify import decode_images, only_logits, top_labels
from export.skeleton.graph import all_nodes

PREFIX = f"{CLASSIFY}/"
CPU = "/device:CPU:0"  # decoders have no other kernel, and what is left is not worth a transfer


def attach_classify(meta_graph, recipe, labels: Sequence[str]) -> None:
    """Add `classify` to a MetaGraphDef with the signature `serving_default`, in place.

    Raises ValueError if its input is not a placeholder, if images do not have the recipe's size, or
    if there is not one label for each class.
    """
    graph, signature = meta_graph.graph_def, meta_graph.signature_def[SIGNATURE]
    (image,), (logits,) = signature.inputs.values(), signature.outputs.values()
    shape = [dim.size for dim in image.tensor_shape.dim]
    if shape[1:3] != [recipe.crop, recipe.crop]:
        raise ValueError(f"the recipe crops {recipe.crop} pixels, and images are {shape[1:3]}")
    decoder = _trace(lambda x: decode_images(x, recipe), tf.TensorSpec((None,), tf.string))
    classes = logits.tensor_shape.dim[1].size
    (name,) = signature.outputs
    labeller = _trace(
        lambda x: top_labels(only_logits({name: x}), labels),
        tf.TensorSpec((None, classes), tf.float32),
    )

    encoded, (pixels,) = _splice(graph, decoder, f"{PREFIX}decode/", None)
    _default(graph, image.name, pixels)
    _, named = _splice(graph, labeller, f"{PREFIX}label/", logits.name)

    made = meta_graph.signature_def[CLASSIFY]
    made.method_name = signature.method_name
    _declare(made.inputs["encoded"], encoded, decoder.inputs[0])
    outputs = zip(sorted(labeller.structured_outputs), named, labeller.outputs, strict=True)
    for key, name, tensor in outputs:
        _declare(made.outputs[key], name, tensor)
    listed = meta_graph.meta_info_def.stripped_op_list
    if listed.op:
        known = {op.name for op in listed.op}
        for op in sorted({node.op for node in all_nodes(graph)} - known):
            listed.op.add(name=op)


def _trace(function, spec):
    return tf.function(function, autograph=False).get_concrete_function(spec)


def _splice(graph, traced, prefix: str, source: str | None) -> tuple[str, list[str]]:
    """Copy a traced function's graph into `graph` under `prefix`.

    Its only input is fed by the tensor `source`, or stays a placeholder. Returns the names of the
    tensors that it takes and gives.
    """
    part = traced.graph.as_graph_def()
    (placeholder,) = (node.name for node in part.node if node.op == "Placeholder")
    # Traced names count up within a process; the same export must give the same bytes.
    library = sorted(part.library.function, key=lambda f: re.sub(r"\d+", "", f.signature.name))
    functions = {
        function.signature.name: f"{prefix.replace('/', '_')}{index}"
        for index, function in enumerate(library)
    }
    for node in all_nodes(part):
        node.device = CPU
        _rename_functions(node, functions)
    for function in library:
        _rename_arguments(function)
        function.signature.name = functions[function.signature.name]
        graph.library.function.add().CopyFrom(function)

    def renamed(name: str) -> str:
        mark = "^" if name.startswith("^") else ""
        node, colon, index = name.removeprefix("^").partition(":")
        if source and node == placeholder:
            return f"{mark}{source.removesuffix(':0')}"
        return f"{mark}{prefix}{node}{colon}{index}"

    for node in part.node:
        if source and node.name == placeholder:
            continue
        copied = graph.node.add()
        copied.CopyFrom(node)
        copied.name = f"{prefix}{node.name}"
        copied.input[:] = [renamed(name) for name in node.input]
    return renamed(f"{placeholder}:0"), [renamed(tensor.name) for tensor in traced.outputs]


def _default(graph, image: str, pixels: str) -> None:
    """Make the tensor `pixels` the default of the placeholder behind the tensor `image`."""
    name = image.removesuffix(":0")
    (node,) = (node for node in graph.node if node.name == name)
    if node.op != "Placeholder":
        raise ValueError(f"the input {name!r} is a {node.op}, not a placeholder")
    node.op = "PlaceholderWithDefault"
    node.input.append(pixels.removesuffix(":0"))


def _rename_functions(node, functions: dict[str, str]) -> None:
    for value in node.attr.values():
        for func in (value.func, *value.list.func):
            if func.name in functions:
                func.name = functions[func.name]


def _rename_arguments(function) -> None:
    """Rename unread arguments, in whose names control flow puts a counter of the process."""
    read = {name.partition(":")[0] for node in function.node_def for name in node.input}
    for index, argument in enumerate(function.signature.input_arg):
        if argument.name not in read | set(function.ret.values()):
            argument.name = f"unread_{index}"


def _declare(info, name: str, tensor) -> None:
    info.name = name
    info.dtype = tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(tensor.shape.as_proto())
