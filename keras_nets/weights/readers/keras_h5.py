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
    and order, as in `conv2d_1`. The values of seed generators are passed over.
    """
    listing = _list(path, offset, length)
    names = {group: name for group, name in listing["layers"] if name}
    tensors = {}
    for entry in listing["datasets"]:
        group, _, index = entry["path"].rpartition("/")
        place = group.removesuffix("/vars").split("/")
        if len(place) != 3:  # "", "layers", the layer: deeper are parts of layers, without weights
            continue
        variables = VARIABLES.get(_class(place[2]), ())
        variable = variables[int(index)] if int(index) < len(variables) else index
        name = f"{names.get(group, place[2])}/{variable}"
        tensors[name] = _tensor(file, name, entry, offset, length)
    layers = [(group.split("/")[2], name) for group, name in listing["layers"]]
    return WeightsFile(path, kind, tensors, {"layers": layers, **_ours(listing["attributes"])})


def _class(group: str) -> str:
    """`conv2d` of `conv2d_12`."""
    name, _, number = group.rpartition("_")
    return name if number.isdigit() else group


def _ours(attributes: dict) -> dict:
    """What this toolkit wrote about the file, if it did."""
    text = attributes.get(METADATA)
    ours = json.loads(text) if text else {}
    return facts_of(ours) if isinstance(ours, dict) else {}


def _list(path: Path, offset: int, length: int) -> dict:
    """The listing of the child process that runs HDF5's library (see h5_listing)."""
    command = [sys.executable, "-m", "keras_nets.weights.readers.h5_listing"]
    command += [str(path.resolve()), str(offset), str(length)]
    room = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([room, *filter(None, sys.path)])}
    try:
        done = subprocess.run(
            command, env=environment, cwd=room, capture_output=True, timeout=PATIENCE, check=False
        )
        listing = json.loads(done.stdout or "{}")
    except (subprocess.TimeoutExpired, ValueError):
        listing = {}
    if "error" in listing:
        raise WeightsError(f"it is no Keras weights file: {listing['error']}")
    if "datasets" not in listing:
        raise WeightsError("HDF5's library fails on it; it is damaged, save it anew")
    return listing


def _tensor(file: BinaryIO, name: str, entry: dict, base: int, length: int) -> Tensor:
    """The tensor of one dataset, whose values lie in the file as they are."""
    shape, dtype, offset = check_shape(name, entry["shape"]), entry["dtype"], entry["offset"]
    item = ITEM_BYTES.get(dtype, entry["item"])
    count = math.prod(shape) * item
    if item != entry["item"] or not 0 <= offset <= length - count:
        raise WeightsError(f"tensor {name[:200]!r} lies outside the file; it is cut off")
    return Tensor(
        name, shape, dtype, lambda: Window(file, base + offset, count), entry["big_endian"]
    )
