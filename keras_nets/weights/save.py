"""Write a model's weights under our own names, to files that `load_weights` reads."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_nets.errors import WeightsError
from keras_nets.weights import ENDINGS
from keras_nets.weights.load import weight_variables
from keras_nets.weights.readers.keras_h5 import METADATA as H5_METADATA
from keras_nets.weights.readers.npz import METADATA as NPZ_METADATA
from keras_nets.weights.whole import whole


def save_weights(model: keras.Model, path, kind: str, *, flavour: str) -> None:
    """Write the weights of a catalog model to `path`, all or nothing, one at a time in memory.

    `kind` is one of `ENDINGS`; the file says which network, flavour and classes it is of.
    """
    path = Path(path)
    if kind not in ENDINGS:
        raise ValueError(f"no kind is called {kind!r}; known are {', '.join(ENDINGS)}")
    if not path.name.endswith(ENDINGS[kind]):
        raise WeightsError(f"{path} should end in {ENDINGS[kind]}, or {kind} does not read it")
    facts = {"net": model.name, "flavour": flavour, "classes": str(model.output_shape[-1])}
    write: dict[str, Callable] = {"keras": _keras, "safetensors": _safetensors, "npz": _npz}
    try:
        with whole(path) as unfinished:
            write[kind](model, unfinished, facts)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from error


def _keras(model: keras.Model, path: Path, facts: dict[str, str]) -> None:
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.attrs[H5_METADATA] = json.dumps(facts)


def _safetensors(model: keras.Model, path: Path, facts: dict[str, str]) -> None:
    header, end = {"__metadata__": facts}, 0
    for name, variable in weight_variables(model):
        start, end = end, end + 4 * int(np.prod(variable.shape))
        shape = [int(length) for length in variable.shape]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the format asks for values that start at a multiple of 8
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, variable in weight_variables(model):
            file.write(memoryview(_values(variable)).cast("B"))


def _npz(model: keras.Model, path: Path, facts: dict[str, str]) -> None:
    metadata = np.array([f"{key}={value}" for key, value in facts.items()])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, values in _named(model, metadata):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _named(model: keras.Model, metadata: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield NPZ_METADATA, metadata
    for name, variable in weight_variables(model):
        yield name, _values(variable)


def _values(variable) -> np.ndarray:
    """Return a variable's values, little-endian float32 in C order."""
    return np.ascontiguousarray(keras.ops.convert_to_numpy(variable), "<f4")
