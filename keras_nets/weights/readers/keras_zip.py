"""Keras `.keras`: a zip of a configuration and a `model.weights.h5`.

Only the weights are read. The configuration can hold code (Lambda layers), so it stays shut.
"""

from pathlib import Path

from keras_nets.weights.readers.keras_h5 import read_stretch
from keras_nets.weights.tensor import WeightsFile
from keras_nets.weights.zips import Archive

KIND = "keras"
WEIGHTS = "model.weights.h5"


def claims(names: list[str]) -> bool:
    """Return whether a zip with these members is one of Keras."""
    return WEIGHTS in names


def read(archive: Archive, path: Path) -> WeightsFile:
    """List the tensors of the weights inside an open zip, where Keras stores them uncompressed."""
    offset, length = archive.stored(WEIGHTS, "Keras")
    return read_stretch(archive.file, path, offset, length, KIND)
