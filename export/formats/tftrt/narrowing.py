"""Make a network narrow while the pass runs, which holds each constant twice and in full.

The pass looks at operations and at the shapes of what engines take and give. It never asks how
many numbers go from one dense layer to the next, and the kernels there are most of a VGG's weights.
"""

import math
from collections.abc import Mapping

from export.formats.tftrt.preparation import Form, Prepared
from export.formats.tftrt.stand_ins import shape_of, stand_ins
from export.skeleton.graph import producer

WORTH = 1 << 24  # bytes of constants that it has to save
WIDTH = 8  # numbers from layer to layer; an axis of length 1 might be squeezed
ONE_BY_ONE = ("Identity", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh")
BY_CHANNEL = ("BiasAdd", "AddV2", "Mul", "Sub")  # with a vector of a number for each channel

Forms = Mapping[str, Form]  # by the names of their nodes
Shapes = Mapping[str, tuple[int, ...]]  # of forms, by the same names


def narrowed(prepared: Prepared) -> Shapes:
    """Return shapes of forms with which the network is narrower; none where that saves little."""
    forms, shapes = prepared.forms, {}
    readers: dict[str, list] = {}  # of each node, and at which of their inputs
    for node in prepared.graph.node:
        for at, source in enumerate(node.input):
            readers.setdefault(producer(source), []).append((node, at))
    for node in prepared.graph.node:
        for name, axis in _of_width(node, forms, readers).items():
            sizes = list(shapes.get(name, forms[name].shape))
            sizes[axis] = min(sizes[axis], WIDTH)
            shapes[name] = tuple(sizes)
    saved = sum(4 * (math.prod(forms[name].shape) - math.prod(shapes[name])) for name in shapes)
    return shapes if saved >= WORTH else {}


def widen(graph, forms: Forms, shapes: Shapes) -> bool:
    """Give stand-ins in a converted graph the shapes of their forms; False where one has changed.

    `shapes` are those that they were given instead.
    """
    names = list(forms)
    for number, node in stand_ins(graph, len(names)):
        given, own = shapes.get(names[number]), forms[names[number]].shape
        if given is None:
            continue
        if shape_of(node) != given:
            return False
        for dim, size in zip(node.attr["value"].tensor.tensor_shape.dim, own, strict=True):
            dim.size = size
    return True


def _of_width(dense, forms: Forms, readers: Mapping[str, list]) -> dict[str, int]:
    """The forms with an axis as long as what `dense` gives is wide, and which axis that is.

    There are none where the network would show another width: where something reads it that is not
    known here, or reads a form of that length elsewhere too.
    """
    if not _is_dense(dense, forms):
        return {}
    found, todo = {producer(dense.input[1]): 1}, [dense.name]
    while todo:
        taken = readers.get(todo.pop(), [])
        if not taken:  # it is what the network gives
            return {}
        for node, at in taken:
            if node.op in ONE_BY_ONE:
                todo.append(node.name)
            elif at == 0 and _is_by_channel(node, forms):
                found[producer(node.input[1])] = 0
                todo.append(node.name)
            elif at == 0 and _is_dense(node, forms):
                found[producer(node.input[1])] = 0
            else:
                return {}
    return found if all(len(readers[name]) == 1 for name in found) else {}


def _is_dense(node, forms: Forms) -> bool:
    """Whether the node multiplies by a form, which is a matrix as it stands."""
    if node.op != "MatMul" or producer(node.input[1]) not in forms:
        return False  # before an attribute is asked for, which a node of another kind would get
    return not (node.attr["transpose_a"].b or node.attr["transpose_b"].b)


def _is_by_channel(node, forms: Forms) -> bool:
    form = forms.get(producer(node.input[1])) if node.op in BY_CHANNEL else None
    return form is not None and len(form.shape) == 1
