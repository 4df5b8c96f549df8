"""torch `.pth` as torch writes it since 1.6: a zip of one pickle and one member a storage."""

from pathlib import Path

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import read_pickle
from keras_nets.weights.readers.numpy_pickle import array
from keras_nets.weights.readers.torch_pickle import rebuilt
from keras_nets.weights.state import named_tensors
from keras_nets.weights.tensor import WeightsFile
from keras_nets.weights.zips import Archive

KIND = "pth"
LARGEST_PICKLE = 16 << 20  # bytes; that of a network with a thousand tensors takes 0.2 MB


def claims(names: list[str]) -> bool:
    """Return whether a zip with these members is one of torch."""
    return any(name == "data.pkl" or name.endswith("/data.pkl") for name in names)


def read(archive: Archive, path: Path) -> WeightsFile:
    """List the tensors of an open zip; values are checked against its CRC as they are read."""
    pickles = [name for name in archive.names if name.split("/")[-1] == "data.pkl"]
    root = pickles[0].removesuffix("data.pkl")
    data = archive.small_file(pickles[0], LARGEST_PICKLE)
    for name in archive.names:
        if name.startswith(f"{root}data/"):  # or tensors that share one would each unpack it anew
            archive.require_stored(name, "torch")
    order = b"little"
    if root + "byteorder" in archive.names:
        order = archive.small_file(root + "byteorder", 16).read()

    def open_storage(key: str, start: int, count: int):
        member = f"{root}data/{key}"
        if member not in archive.names:
            raise WeightsError(f"it has no member {member[:200]!r}; the file is incomplete")
        return archive.stream(member, start, count)

    def tensor(name: str, value):
        return rebuilt(name, value, open_storage, order == b"big") or array(data, name, value)

    tensors = named_tensors(read_pickle(data, data.getbuffer().nbytes), tensor)
    return WeightsFile(path, KIND, tensors)
