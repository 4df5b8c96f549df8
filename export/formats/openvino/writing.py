"""Turn an ONNX model without its weights into OpenVINO's IR, and pour these into it."""

import re
from collections.abc import Callable, Collection, Iterable
from math import prod
from pathlib import Path
from xml.etree import ElementTree

from export.errors import ExportError, PourError, in_one_line
from export.formats.base import Order
from export.formats.onnx.weightless import open_up
from export.formats.openvino.reading import MODEL, WEIGHTS
from export.formats.openvino.slender import slim
from export.lazy import need
from export.skeleton.pour import Placement, Step, check_placements
from export.skeleton.stores import FLOAT16, Store

BACK = "/float32"  # behind the name of a weight: what makes 32 bits of it again
ALIGNMENT = 64  # bytes; as OpenVINO itself aligns constants
COUNTED = re.compile(r"[A-Z]\w*_\d+")  # a name that OpenVINO numbers over the life of a process

# An operation that OpenVINO has no conversion of, and the last line on why.
UNCONVERTED = re.compile(r"^-- (\w+)-\d+ with a message:\n(?:.*\n)*?([^\n]+)\n\n", re.MULTILINE)


def write_ir(
    model, placements: Iterable[Placement], order: Order, store: Callable[[str], Store]
) -> None:
    """Write the artifact of `model`, an ONNX model with marks in the place of weights.

    `store` says what a weight is kept as, by its name.
    """
    indices, placed = open_up(model), {place.index: place for place in placements}
    converted = _read(model, order.scratch)
    places = [
        _settled(converted, parameter, placed[indices[name]], store(name))
        for parameter in list(converted.get_parameters())
        if (name := parameter.output(0).any_name) in indices
    ]
    converted.validate_nodes_and_infer_types()
    converted.set_friendly_name(order.skeleton.name)
    _name_ends(converted, order.skeleton.contract, indices.keys())
    _compute_precisely(converted, (*order.keep, *order.beyond))
    _pour(converted, order, places)


def _read(model, scratch: Path):
    """OpenVINO's model of an ONNX model, its constants folded; the rest is done by compiling it."""
    openvino, passes = (
        need(part, to="writing OpenVINO's IR") for part in ("openvino", "openvino.passes")
    )
    path = scratch / "skeleton.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        made = openvino.Core().read_model(path)
    except RuntimeError as error:  # of many lines, most of which tell where OpenVINO was
        why = " ".join(": ".join(found) for found in UNCONVERTED.findall(str(error)))
        raise ExportError(
            f"OpenVINO does not convert {model.graph.name}: {why or in_one_line(error)[:300]}; "
            "export to another format, such as onnx"
        ) from error
    finally:
        path.unlink()
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())  # such as axes, of the rank
    folding.run_passes(made)
    return made


def _name_ends(model, contract, weights: Collection[str]) -> None:
    """Have inputs and outputs, but for `weights`, the names of the contract and no others.

    Raises PourError where they are not those of the contract.
    """
    given = [one for one in model.inputs if not one.names & weights]
    for found, wanted in ((given, contract.inputs), (model.outputs, contract.outputs)):
        right = [tensor.name for tensor in wanted]
        pairs = list(zip(found, right, strict=False))
        if not len(found) == len(right) == sum(name in one.names for one, name in pairs):
            raise PourError(f"OpenVINO made tensors {[one.names for one in found]} of {right}")
        for one, name in pairs:
            one.get_tensor().set_names({name})


def _compute_precisely(model, scopes: Iterable[str]) -> None:
    """Have GPUs, which compute in 16 bits, leave the layers in `scopes` in 32."""
    starts = tuple(f"{scope}/" for scope in scopes)
    for node in model.get_ops() if starts else ():
        names = [node.get_friendly_name(), *(n for o in node.outputs() for n in o.get_names())]
        if any(name.startswith(starts) for name in names):
            node.get_rt_info()["precise_0"] = ""


def _settled(model, parameter, place: Placement, store: Store) -> Placement:
    """Put a parameter of the type and shape in which a weight is stored in the place of its own."""
    from openvino import PartialShape, Type, op, opset13

    name, own = parameter.output(0).any_name, tuple(parameter.output(0).shape)
    shape, readers = _readers(parameter)
    half = store == FLOAT16
    stored = op.Parameter(Type.f16 if half else Type.f32, PartialShape(list(shape)))
    stored.set_friendly_name(name)
    stored.output(0).set_names({name})
    given = stored
    if half:
        given = opset13.convert(stored, "f32")
        given.set_friendly_name(f"{name}{BACK}")
    for reader in readers:
        reader.replace_source_output(given.output(0))
    model.remove_parameter(parameter)
    model.add_parameters([stored])
    steps = () if shape == own else (Step("reshape", shape),)
    return Placement(place.index, name, shape, (*place.steps, *steps), store=store)


def _readers(parameter) -> tuple[tuple[int, ...], list]:
    """The shape in which a weight is read, and the inputs that read it.

    ONNX has a vector for a bias, and OpenVINO reshapes it; that is done when it is poured.
    """
    targets = list(parameter.output(0).get_target_inputs())
    data = [target for target in targets if target.get_node().get_type_name() != "ShapeOf"]
    reshapes = [target.get_node().output(0) for target in data if _is_reshape(target)]
    shapes = {tuple(output.shape) for output in reshapes}
    if len(reshapes) < len(data) or len(shapes) != 1:
        return tuple(parameter.output(0).shape), targets
    (shape,) = shapes
    return shape, [target for output in reshapes for target in output.get_target_inputs()]


def _is_reshape(target) -> bool:
    node = target.get_node()
    fixed = node.get_type_name() == "Reshape" and node.output(0).partial_shape.is_static
    return fixed and target.get_index() == 0


def _pour(model, order: Order, places: list[Placement]) -> None:
    """Write both files: the graph, with its parameters of weights as constants, and these."""
    from openvino import serialize

    weights, folder = order.skeleton.weights, order.folder
    check_placements(weights, places)
    serialize(model, str(folder / MODEL), str(folder / WEIGHTS))
    net = ElementTree.parse(folder / MODEL).getroot()
    layers = list(net.find("layers"))
    parameters = {layer.get("name"): layer for layer in layers if layer.get("type") == "Parameter"}
    with (folder / WEIGHTS).open("ab") as file:
        for place in sorted(places, key=lambda place: place.index):
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            start = file.tell()
            for chunk in place.chunks(weights[place.index]):
                file.write(chunk)
            layer = parameters[place.tensor]
            layer.set("type", "Const")
            layer.find("data").set("offset", str(start))
            layer.find("data").set("size", str(file.tell() - start))
    _mark_compressed(layers, {place.tensor for place in places if _has_axes(place)})
    _number(layers, parameters)
    (folder / MODEL).write_bytes(slim(net))


def _has_axes(place: Placement) -> bool:
    """Whether a weight is more than a vector."""
    return max(place.shape, default=1) < prod(place.shape)


def _mark_compressed(layers: Iterable, weights: Collection[str]) -> None:
    """Mark what turns a weight into 32 bits as OpenVINO does in files that it compresses itself.

    What is not marked is turned once, as the file is loaded; for a vector that costs nothing.
    """
    for layer in layers:
        name = layer.get("name")
        if layer.get("type") == "Convert" and name.removesuffix(BACK) in weights:
            notes = ElementTree.Element("rt_info")
            ElementTree.SubElement(notes, "attribute", {"name": "decompression", "version": "0"})
            layer.insert(1, notes)  # behind `data`


def _number(layers: Iterable, weights: Collection[str]) -> None:
    """Name after its place what OpenVINO numbered, and what turns weights into 32 bits.

    Else two exports differ, and each weight is named twice.
    """
    for layer in layers:
        name, kind = layer.get("name"), layer.get("type")
        if COUNTED.fullmatch(name) or kind == "Convert" and name.removesuffix(BACK) in weights:
            layer.set("name", f"{kind}_{layer.get('id')}")
