"""Keras `.weights.h5`: HDF5 with a group a layer, found by class and order, and named since 3.9."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.names import CONV, DENSE, NORM
from keras_nets.weights.tensor import (
    ITEM_BYTES,
    Tensor,
    WeightsFile,
    Window,
    check_shape,
    facts_of,
)

KIND = "keras-h5"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
PATIENCE = 60  # seconds for a listing that takes half a second
ROOTS = {"layers", "_layer_checkpoint_dependencies"}  # the groups of layers, now and before Keras 3
METADATA = "keras_nets"  # the attribute that holds ours, as JSON
# The layers that have weights, as Keras spells their classes, and the order of their variables.
VARIABLES = dict((CONV, DENSE, NORM))


def matches(head: bytes, size: int) -> bool:
    return head.startswith(SIGNATURE)


def read(file: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List the tensors of an open file of `size` bytes."""
    return read_stretch(file, path, 0, size, KIND)


def read_stretch(file: BinaryIO, path: Path, offset: int, length: int, kind: str) -> WeightsFile:
    """List the tensors of the HDF5 file that `length` bytes from `offset` on make up.

    They are called "layer/variable", the layer by its name, or where the file has none by class
    and order, as in `conv2d_1`; those of a network among the layers of another have its name before
    theirs, as in `squeezenet1_1/conv1/kernel`. The values of seed generators are passed over.
    """
    listing = _list(path, offset, length)
    names = {group: name for group, name in listing["layers"] if name}
    tensors = {}
    for entry in listing["datasets"]:
        group, _, index = entry["path"].rpartition("/")
        place = _place(group, names)
        if place is None:  # a part of a layer, without weights
            continue
        above, group, layer = place
        variables = VARIABLES.get(_class(group), ())
        variable = variables[int(index)] if int(index) < len(variables) else index
        name = f"{above}{layer or group}/{variable}"
        tensors[name] = _tensor(file, name, entry, offset, length)
    places = (_place(group, names) for group, _ in listing["layers"])
    layers = [place for place in places if place is not None]
    return WeightsFile(path, kind, tensors, {"layers": layers, **_ours(listing["attributes"])})


def _place(group: str, names: dict[str, str]) -> tuple[str, str, str | None] | None:
    """Where a layer stands: what is before its name, its class and number, its name if it has one.

    `group` holds its variables: /layers/conv2d/vars, or /layers/functional/layers/conv2d/vars
    inside of another network. None for a part of a layer.
    """
    roots, layers = group.removesuffix("/vars").split("/")[1::2], group.split("/")[2::2]
    if group.count("/") % 2 == 0 or not layers or not set(roots) <= ROOTS:
        return None
    above, here = "", ""
    for layer in layers[:-1]:
        here += f"/{roots[0]}/{layer}"
        above += f"{names.get(f'{here}/vars', layer)}/"
    return above, layers[-1], names.get(group)


def _class(group: str) -> str:
    """`conv2d` of `conv2d_12`."""
    name, _, number = group.rpartition("_")
    return name if number.isdigit() else group


def _ours(attributes: dict) -> dict:
    """Return the metadata that this toolkit wrote into the file, if any."""
    text = attributes.get(METADATA)
    ours = json.loads(text) if text else {}
    return facts_of(ours) if isinstance(ours, dict) else {}


def _list(path: Path, offset: int, length: int) -> dict:
    """Return the listing of the child process that runs HDF5's library (see h5_listing)."""
    listing = ask_child("keras_nets.weights.readers.h5_listing", path, offset, length)
    if "error" in listing:
        raise WeightsError(f"it is no Keras weights file: {listing['error']}")
    if "datasets" not in listing:
        raise WeightsError("HDF5's library fails on it; it is damaged, save it anew")
    return listing


def ask_child(module: str, path: Path, offset: int, length: int) -> dict:
    """Run HDF5's library on part of a file in a child; return what it prints, {} if it fails."""
    command = [sys.executable, "-m", module, str(path.resolve()), str(offset), str(length)]
    room = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([room, *filter(None, sys.path)])}
    try:
        done = subprocess.run(
            command, env=environment, cwd=room, capture_output=True, timeout=PATIENCE, check=False
        )
        return json.loads(done.stdout or "{}")
    except (subprocess.TimeoutExpired, ValueError):
        return {}


def _tensor(file: BinaryIO, name: str, entry: dict, base: int, length: int) -> Tensor:
    """Return the tensor of one dataset, whose values lie in the file as they are."""
    shape, dtype, offset = check_shape(name, entry["shape"]), entry["dtype"], entry["offset"]
    item = ITEM_BYTES.get(dtype, entry["item"])
    count = math.prod(shape) * item
    if item != entry["item"] or not 0 <= offset <= length - count:
        raise WeightsError(f"tensor {name[:200]!r} lies outside the file; it is cut off")
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        open=lambda: Window(file, base + offset, count),
        big_endian=entry["big_endian"],
    )
