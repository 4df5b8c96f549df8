"""Writes what `torch.save` does of any object with tensors in it, without torch."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np

HEADS = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})


class Saved:
    """A tensor of these values, made by the function of torch that `made_by` names."""

    def __init__(self, values, made_by: str = "torch._utils._rebuild_tensor_v2"):
        values = np.asarray(values)
        self.values = values.astype(np.float32) if values.dtype == np.float64 else values
        self.made_by = made_by

    def __reduce__(self):
        shape = self.values.shape
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        arguments = (_Storage(self.values), 0, shape, strides, False, OrderedDict())
        return named(self.made_by), arguments


class _Storage:
    def __init__(self, values):
        self.values = values


class Module:
    """A torch module that is pickled whole: its class by name, and what it is made of."""

    def __init__(self, path: str, parameters: dict, modules: dict):
        self.path, self.parameters, self.modules = path, parameters, modules

    def __reduce__(self):
        state = {
            "training": False,
            "_parameters": OrderedDict(self.parameters),
            "_buffers": OrderedDict(),
            "_modules": OrderedDict(self.modules),
        }
        return named(self.path), (), state


def named(path: str):
    """Something that pickles as this name, whether there is such a thing or not."""
    module, _, name = path.rpartition(".")
    parts = module.split(".")
    for count in range(1, len(parts) + 1):  # pickle imports it, with every package above
        package = ".".join(parts[:count])
        sys.modules.setdefault(package, types.ModuleType(package)).__path__ = []
    home = sys.modules[module]
    if not hasattr(home, name):
        made = type(name, (), {"__module__": module, "__qualname__": name})
        setattr(home, name, made)
    return getattr(home, name)


def save(path: Path, state, *, legacy: bool = False) -> Path:
    """Write `state` as torch does now, or as it did before 1.6."""
    storages, pickled = [], io.BytesIO()

    class Pickler(pickle._Pickler):  # the one in Python, which does not look names up
        def persistent_id(self, found):
            if not isinstance(found, _Storage):
                return None
            storages.append(found.values)
            kind = {"int64": "Long", "float16": "Half"}.get(found.values.dtype.name, "Float")
            key, count = str(len(storages) - 1), found.values.size
            reference = ("storage", named(f"torch.{kind}Storage"), key, "cpu", count)
            return (*reference, None) if legacy else reference

    with _modules_as_before():
        Pickler(pickled, 2).dump(state)
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled.getvalue())
            for key, values in enumerate(storages):
                archive.writestr(f"archive/data/{key}", values.tobytes())
        return path
    with path.open("wb") as file:
        file.write(b"".join(pickle.dumps(head, protocol=2) for head in HEADS))
        file.write(pickled.getvalue())
        file.write(pickle.dumps([str(key) for key in range(len(storages))], protocol=2))
        for values in storages:
            file.write(struct.pack("<q", values.size) + values.tobytes())
    return path


@contextmanager
def _modules_as_before():
    """Pickle asks whether a name means what it should, so `named` makes modules by those names."""
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]
