"""Looks through an HDF5 file of Keras, as a program of its own.

    python -m keras_nets.sources.h5_look FILE OFFSET LENGTH

As keras_nets.weights.readers.h5_listing, and for the same reason: the library can be crashed by
hostile files, and shows here whether this one does. It prints JSON: the configuration of the model,
if the file has one, the version of Keras that wrote it, and how many bytes its values take.
"""

import io
import json
import sys

from keras_nets.weights.readers.h5_listing import MAX_DEPTH, MAX_ENTRIES, Stretch, limit

MAX_CONFIG = 64 << 20  # characters; that of a network of a thousand layers takes 1 MB
MOST_FOR_ONE = 200  # bytes that a compressed dataset may unpack to, for each that it takes
ALWAYS_ALLOWED = 64 << 10  # bytes


class Look:
    """What was found on a walk through all groups, without following links elsewhere."""

    def __init__(self, h5py, file, length: int):
        self.h5py, self.length, self.seen, self.bytes = h5py, length, 0, 0
        self.config = _text(file, "model_config")
        self.version = _text(file, "keras_version")
        self.walk(file, 0)

    def walk(self, group, depth: int) -> None:
        for name in group:
            self.seen += 1
            if self.seen > MAX_ENTRIES or depth > 2 * MAX_DEPTH:
                raise ValueError("it has more groups than any network")
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise ValueError(f"its entry {name[:100]!r} is a link elsewhere")
            found = group[name]
            if isinstance(found, self.h5py.Dataset):
                self.weigh(found)
            else:
                self.walk(found, depth + 1)

    def weigh(self, dataset) -> None:
        """Add a dataset's bytes; ValueError where it claims more than the file can hold."""
        plan = dataset.id.get_create_plist()
        held = dataset.id.get_storage_size()
        if plan.get_external_count() or plan.get_layout() == self.h5py.h5d.VIRTUAL:
            raise ValueError(f"its dataset {dataset.name[:100]!r} lies in another file")
        size = dataset.size or 0
        claimed = size * dataset.dtype.itemsize
        if claimed > ALWAYS_ALLOWED + MOST_FOR_ONE * min(held, self.length):
            raise ValueError(f"its dataset {dataset.name[:100]!r} claims {claimed:_} bytes")
        self.bytes += claimed


def _text(file, name: str) -> str | None:
    if name not in file.attrs:
        return None
    value = file.attrs[name]
    value = value.decode() if isinstance(value, bytes) else value
    if not isinstance(value, str) or len(value) > MAX_CONFIG:
        raise ValueError(f"its attribute {name!r} is no text")
    return value


def main(path: str, offset: str, length: str) -> int:
    import h5py

    limit()
    try:
        with h5py.File(io.BufferedReader(Stretch(path, int(offset), int(length))), "r") as file:
            look = Look(h5py, file, int(length))
    except Exception as error:  # whatever the library makes of damaged bytes
        print(json.dumps({"error": " ".join(str(error).split())[:300]}))
        return 1
    print(json.dumps({"config": look.config, "version": look.version, "bytes": look.bytes}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
