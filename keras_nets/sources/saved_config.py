"""Reads what a `.keras` or `.h5` file says of its model, without running any of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keras_nets.errors import SourceError

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MAX_CONFIG = 64 << 20  # bytes; that of a network of a thousand layers takes 1 MB
MAX_PARTS = 1_000_000  # of a configuration; a network of a thousand layers has 50,000
# Layers that run what their configuration holds, or a file that it names.
RUNS_A_FILE = ("TFSMLayer", "TorchModuleWrapper")


@dataclass(frozen=True)
class Saved:
    """A model as a file describes it."""

    config: dict
    version: str  # of Keras, empty where the file does not say

    @property
    def is_older(self) -> bool:
        """Whether Keras 1 or 2 wrote it; the first of those did not say so."""
        return self.version.split(".")[0] in ("", "1", "2")


def read_saved(path: Path) -> Saved:
    """Read the configuration of the model in the file at `path`, and try its HDF5.

    Raises SourceError where there is none, or where the file is damaged or made to do harm.
    """
    with _refusing(path), path.open("rb") as stream:
        head = stream.read(len(HDF5))
        size = path.stat().st_size
        saved = _of_zip(stream, path, size) if head.startswith(ZIP) else _of_h5(path, head, size)
        for _ in parts(saved.config):  # bounds it
            pass
        return saved


def check_weights(path: Path) -> None:
    """Raise SourceError where Keras should not read weights from the file at `path`."""
    from keras_nets.weights.zips import Archive

    with _refusing(path), path.open("rb") as stream:
        head = stream.read(len(HDF5))
        size = path.stat().st_size
        if head.startswith(ZIP):
            _look(path, *Archive(stream, size).stored(WEIGHTS, "Keras"))
        elif head == HDF5:
            _look(path, 0, size)
        else:
            raise SourceError(f"{path} is neither HDF5 nor a zip; save it with Keras")


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever damaged bytes raise into one line that names the file."""
    from keras_nets.weights.tensor import DAMAGE

    try:
        yield
    except SourceError:
        raise
    except DAMAGE as error:  # WeightsError is one, of ValueError
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(
            f"{path} is damaged or no file of Keras ({why}); save it with model.save('x.keras')"
        ) from error


def _of_zip(stream, path: Path, size: int) -> Saved:
    from keras_nets.weights.zips import Archive

    if path.suffix != ".keras":
        raise SourceError(f"{path} is a zip, as .keras files are; rename it to {path.stem}.keras")
    archive = Archive(stream, size)
    if CONFIG not in archive.names or WEIGHTS not in archive.names:
        raise SourceError(f"{path} is a zip without {CONFIG}; save it with model.save('x.keras')")
    config = _json(archive.small_file(CONFIG, MAX_CONFIG).read())
    about = {}
    if METADATA in archive.names:
        about = _json(archive.small_file(METADATA, MAX_CONFIG).read())
    _look(path, *archive.stored(WEIGHTS, "Keras"))
    return Saved(config, _version(about.get("keras_version")))


def _of_h5(path: Path, head: bytes, size: int) -> Saved:
    if head != HDF5:
        raise SourceError(f"{path} is neither HDF5 nor a zip; save it with model.save('x.keras')")
    if path.suffix == ".keras":
        raise SourceError(f"{path} is HDF5, as .h5 files are; rename it to {path.stem}.h5")
    seen = _look(path, 0, size)
    if seen["config"] is None:
        raise SourceError(
            f"{path} holds weights and no model; name what builds it, as in --model "
            f"package.module:function --weights {path}"
        )
    return Saved(_json(seen["config"]), _version(seen["version"]))


def _look(path: Path, offset: int, length: int) -> dict:
    from keras_nets.weights.readers.keras_h5 import ask_child

    seen = ask_child("keras_nets.sources.h5_look", path, offset, length)
    if "bytes" not in seen:
        why = seen.get("error", "HDF5's library fails on it")
        raise SourceError(f"{path} is damaged ({why}); save it anew with model.save('x.keras')")
    return seen


def _json(text: str | bytes) -> dict:
    read = json.loads(text)
    if not isinstance(read, dict):
        raise ValueError("its configuration is no JSON object")
    return read


def _version(found) -> str:
    return found[:40] if isinstance(found, str) else ""


def parts(config: dict) -> Iterator[dict]:
    """Every dict within a configuration; ValueError where it is larger than any network's."""
    waiting, seen = [config], 0
    while waiting:
        seen += 1
        if seen > MAX_PARTS:
            raise ValueError("its configuration has more parts than any network")
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def code_in(config: dict) -> list[str]:
    """What of a configuration would run code that the file holds, in words; each once."""
    found = {}
    for part in parts(config):
        kind, inner = part.get("class_name"), part.get("config")
        if kind == "Lambda" and isinstance(inner, dict) and _is_bytecode(inner):
            found[f"the Lambda layer {str(inner.get('name'))[:60]!r}"] = None
        elif kind in RUNS_A_FILE:
            found[f"a {kind}"] = None
        elif kind == "__lambda__":
            found.setdefault("a Python lambda", None)
    named = [one for one in found if one != "a Python lambda"]
    return named or list(found)


def _is_bytecode(inner: dict) -> bool:
    """Whether a Lambda layer holds its function as bytecode instead of naming it."""
    values = [inner.get("function"), inner.get("output_shape"), inner.get("mask")]
    types = [inner.get(f"{name}_type") for name in ("function", "output_shape", "mask")]
    return (
        "lambda" in types
        or isinstance(values[0], list)
        or any(isinstance(one, dict) and one.get("class_name") == "__lambda__" for one in values)
    )
