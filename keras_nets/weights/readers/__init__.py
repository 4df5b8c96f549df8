"""One reader per kind of file: given an open file it lists the tensors, from headers alone.

None imports TensorFlow, Keras or torch, and none runs anything that a file holds.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.readers import (
    darknet,
    keras_h5,
    keras_zip,
    npz,
    pdparams,
    pth,
    pth_legacy,
    safetensors,
)
from keras_nets.weights.tensor import WeightsFile, refusing
from keras_nets.weights.zips import Archive

ZIPS = (keras_zip, pth, npz)
# In this order: a legacy .pth is also a pickle, and .weights have hardly a mark of their own.
PLAIN = (keras_h5, pth_legacy, pdparams, safetensors, darknet)
KINDS = tuple(reader.KIND for reader in (*ZIPS, *PLAIN))


@contextmanager
def open_weights(path) -> Iterator[WeightsFile]:
    """Open a weights file of any kind; its tensors can be read until the context ends.

    Raises WeightsError if `path` is no readable weights file, here or as values are read.
    """
    path = Path(path)
    with refusing(path):
        size = _size(path)
        stream = _open(path)
    with stream:
        with refusing(path):
            found = _read(stream, path, size)
        # Errors that only show as values are read then name the file, too.
        bound = {name: replace(tensor, path=path) for name, tensor in found.tensors.items()}
        yield replace(found, tensors=bound)


def _read(stream: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List an open file with the reader that its first bytes, or its zip's members, call for."""
    head = stream.read(64)
    if head.startswith(b"PK\x03\x04"):
        archive = Archive(stream, size)
        for reader in ZIPS:
            if reader.claims(archive.names):
                return reader.read(archive, path)
        raise WeightsError("it is a zip, but neither a .keras, .pth nor .npz file")
    for reader in PLAIN:
        if reader.matches(head, size):
            stream.seek(0)
            return reader.read(stream, path, size)
    raise WeightsError(f"{path} is no weights file; known are {', '.join(KINDS)}")


def _open(path: Path) -> BinaryIO:
    with _readable(path):
        return path.open("rb")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that does not call the file damaged."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def _size(path: Path) -> int:
    """Return the size of a regular file; raise WeightsError for a pipe, before it is opened."""
    with _readable(path):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise WeightsError(f"{path} is {kind}; name a weights file")
    if not found.st_size:
        raise WeightsError(f"{path} is empty")
    return found.st_size
