"""torch `.pth` as torch wrote it before 1.6: pickles in a row, then the storages' values."""

from pathlib import Path
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import Reference, check_key, read_pickle
from keras_nets.weights.readers.numpy_pickle import array
from keras_nets.weights.readers.torch_pickle import rebuilt, storage_of
from keras_nets.weights.state import named_tensors
from keras_nets.weights.tensor import WeightsFile, Window

KIND = "pth-legacy"
MAGIC = 0x1950A86A20F9469CFC6C
HEAD = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
PROTOCOL = 1001


def matches(head: bytes, size: int) -> bool:
    """By the number that torch pickles first."""
    return head.startswith(HEAD)


def read(file: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List the tensors of an open file of `size` bytes."""
    file.seek(len(HEAD))
    if read_pickle(file, size) != PROTOCOL:
        raise WeightsError("it is of a torch format other than 1001; save it anew with torch")
    system = read_pickle(file, size)
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    references = []
    state = read_pickle(file, size, references)
    keys = read_pickle(file, size)
    where = _storages(file, size, keys, references, "big" if big_endian else "little")

    def open_storage(key: str, start: int, count: int):
        return Window(file, where[key][0] + start, count)

    def tensor(name: str, value):
        return rebuilt(name, value, open_storage, big_endian) or array(file, name, value)

    return WeightsFile(path, KIND, named_tensors(state, tensor))


def _storages(
    file: BinaryIO, size: int, keys, references: list[Reference], order: str
) -> dict[str, tuple[int, int]]:
    """(offset, bytes) of each storage: they come in the order of `keys`, each after its length.

    Only the references in the pickle tell how wide a storage's items are.
    """
    claims = {key: (item, count) for key, _, item, count in map(storage_of, references)}
    if not isinstance(keys, list) or {check_key(key) for key in keys} != set(claims):
        raise ValueError("its list of storages is not that of its tensors")
    where = {}
    for key in keys:
        item, count = claims[key]
        held = int.from_bytes(file.read(8), order, signed=True)
        offset = file.tell()
        if held != count or offset + held * item > size:
            raise WeightsError(
                f"storage {key[:200]!r} should hold {count:_} values and the file has"
                f" {max(0, size - offset) // item:_} left for it; it is cut off, fetch it again"
            )
        where[key] = (offset, held * item)
        file.seek(offset + held * item)
    return where
