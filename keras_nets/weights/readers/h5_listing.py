"""List the datasets of a Keras HDF5 file, in a process of its own.

    python -m keras_nets.weights.readers.h5_listing FILE OFFSET LENGTH

HDF5's C library was not made for hostile files and can be crashed by them, so it only runs in this
process, with bounded time and memory, and only reads headers. It prints JSON: where each layer's
values lie as plain bytes; the reader takes them from there itself.
"""

import io
import json
import resource
import sys
from pathlib import Path

MEMORY = 1 << 30  # bytes of address space beyond what importing takes
SECONDS = 5  # of processor time; some damaged files send the library round in circles
MAX_ENTRIES = 20_000
MAX_DEPTH = 8
LONGEST_NAME = 1024  # a path repeats those of all its groups, and each dataset prints its own


class Stretch(io.RawIOBase):
    """A part of a file as a file, read-only: an .h5 inside a .keras."""

    def __init__(self, path: str, offset: int, length: int):
        self._file = Path(path).open("rb")  # noqa: SIM115 (open as long as this object)
        self._offset, self._length, self._position = offset, length, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer):
        count = max(0, min(len(buffer), self._length - self._position))
        self._file.seek(self._offset + self._position)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class Listing:
    """The groups and datasets under `layers`, walked without following links elsewhere."""

    def __init__(self, h5py, file):
        self.h5py, self.seen = h5py, 0
        self.layers, self.datasets = [], []
        self.attributes = {name: text(file, name) for name in list(file.attrs)[:20]}
        # Keras before 3 kept the layers under the second name.
        for name in ("layers", "_layer_checkpoint_dependencies"):
            if name in file:
                self.walk(file, name, 0)
                return
        raise ValueError("it has no group 'layers'; save it with Keras 3")

    def walk(self, group, name: str, depth: int) -> None:
        self.seen += 1
        if self.seen > MAX_ENTRIES or depth > MAX_DEPTH:
            raise ValueError("it has more groups than any network")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"its entry {name[:100]!r}... has a longer name than any layer")
        if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
            raise ValueError(f"its entry {name[:100]!r} is a link elsewhere, which no weights need")
        found = group[name]
        if isinstance(found, self.h5py.Dataset):
            self.datasets.append(self.describe(found))
        elif isinstance(found, self.h5py.Group):
            if name == "vars":
                self.layers.append([found.name, text(found, "name")])
            for child in found:
                self.walk(found, child, depth + 1)
        else:
            raise ValueError(f"its entry {name[:100]!r} is neither group nor dataset")

    def describe(self, dataset) -> dict:
        """Return where a dataset's values lie; raise ValueError unless these are plain bytes."""
        plan = dataset.id.get_create_plist()
        plain = plan.get_layout() == self.h5py.h5d.CONTIGUOUS and not plan.get_external_count()
        offset = dataset.id.get_offset()
        if not plain or offset is None:
            raise ValueError(
                f"its dataset {dataset.name[:100]!r} is chunked, compressed or elsewhere; save it"
                " anew with Keras"
            )
        dtype = dataset.dtype
        kind = dtype.name if dtype.kind == "f" else str(dtype)[:20]
        return {
            "path": dataset.name,
            "shape": list(dataset.shape),
            "dtype": text(dataset, "dtype") or kind,
            "item": dtype.itemsize,
            "big_endian": dtype.byteorder == ">",
            "offset": offset,
        }


def text(thing, attribute: str) -> str | None:
    """Return an attribute if it is text of a reasonable length, else None."""
    if attribute not in thing.attrs:
        return None
    kind = thing.attrs.get_id(attribute)
    if kind.shape not in ((), None) or kind.dtype.kind not in "OSU" or kind.dtype.itemsize > 4096:
        return None
    value = thing.attrs[attribute]
    value = value.decode() if isinstance(value, bytes) else value
    return value[:4096] if isinstance(value, str) else None


def limit() -> None:
    """Bound what this process may still take of memory and time."""
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, offset: str, length: str) -> int:
    import h5py

    limit()
    try:
        with h5py.File(io.BufferedReader(Stretch(path, int(offset), int(length))), "r") as file:
            listing = Listing(h5py, file)
    except Exception as error:  # whatever the library makes of damaged bytes
        print(json.dumps({"error": " ".join(str(error).split())[:300]}))
        return 1
    print(
        json.dumps(
            {
                "layers": listing.layers,
                "datasets": listing.datasets,
                "attributes": listing.attributes,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
