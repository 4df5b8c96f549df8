"""`--model my.keras`, or an `.h5` file: a whole model as Keras 3, 2 or 1 saved it.

Keras builds it, in safe mode. What is wrong with the file is found before, and code that it holds
is refused unless it is allowed.
"""

import difflib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_nets.errors import SourceError
from keras_nets.quiet import import_quietly
from keras_nets.sources.memory import bounded_by
from keras_nets.sources.modules import count_names_anew, registered
from keras_nets.sources.saved_config import CONFIG, Saved, code_in, read_saved
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "keras-file"
ENDINGS = (".keras", ".h5", ".hdf5")
UNKNOWN = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown [\w ]+:) '?([\w>.]+)'?"
    r"|Could not deserialize '(?:keras\.layers\.)?([\w>.]+)' because it is not"
)
ENCOUNTERED = re.compile(r"Exception encountered: (.*)", re.DOTALL)


def fits(words: str) -> bool:
    return words.lower().endswith(ENDINGS)


def check(words: str) -> None:
    """Raise SourceError where there is no such file."""
    path = Path(words)
    if path.is_dir():
        raise SourceError(f"--model {path} is a folder; name a .keras or .h5 file in it")
    if not path.exists():
        raise SourceError(f"--model {path} is not there; {_near(path)}name a .keras or .h5 file")
    if not path.is_file():
        raise SourceError(f"--model {path} is no regular file; name a .keras or .h5 file")


def load(asked: Asked) -> Loaded:
    """Load the model with its weights."""
    if asked.arguments:
        raise SourceError(
            f"--model {asked.words} is a file and takes no --model-arg; leave "
            f"{', '.join(asked.arguments)} out"
        )
    path = Path(asked.words)
    saved = read_saved(path)
    code = code_in(saved.config)
    if code and not asked.allow_unsafe:
        raise SourceError(
            f"{path} holds code, in {' and '.join(code[:3])}, and a file's code can do anything; "
            "put it into a registered class of a layer and save the model anew, or, if you trust "
            "the file, say --allow-unsafe"
        )
    source = ModelSource(
        kind=NAME,
        source=asked.words,
        custom_objects=asked.custom_objects,
        sha256=digest(asked.words),
    )
    count_names_anew()
    objects = registered(asked.custom_objects)
    return Loaded(_load(path, saved, objects, asked.allow_unsafe), source, weights=asked.words)


def digest(words: str) -> str:
    """The sha256 of the file."""
    from keras_nets.weights.identify import sha256_of

    return sha256_of(Path(words))


def _load(path: Path, saved: Saved, objects: dict, allow_unsafe: bool):
    import_quietly("keras")
    import keras

    import keras_nets.sources.keras2_functions
    import keras_nets.sources.keras2_operations  # noqa: F401 (both register what files name)

    with _readable(path, saved) as readable, bounded_by(path):
        try:
            return keras.saving.load_model(
                readable, custom_objects=objects, compile=False, safe_mode=not allow_unsafe
            )
        except Exception as error:  # Keras raises many kinds for what it does not know or like
            raise SourceError(f"{path} {_why(error)}") from error


@contextmanager
def _readable(path: Path, saved: Saved) -> Iterator[Path]:
    """The file itself, or for Keras 2 a copy whose configuration Keras 3 reads."""
    if not saved.is_older:
        yield path
        return
    from keras_nets.sources.keras2 import translate

    try:
        config = translate(saved.config)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error
    if config == saved.config:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as folder:
        copy = Path(folder, path.name)
        if path.suffix == ".keras":
            _rezip(path, copy, json.dumps(config))
        else:
            _rewrite(path, copy, json.dumps(config))
        yield copy


def _rezip(path: Path, copy: Path, config: str) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            if name == CONFIG:
                new.writestr(name, config)
                continue
            with old.open(name) as source, new.open(name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _rewrite(path: Path, copy: Path, config: str) -> None:
    import h5py

    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = config


def _why(error: Exception) -> str:
    """What Keras says is wrong, and what to do, as the end of a line."""
    text = f"{error}"
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return (
            "describes a model that takes far more memory than its weights are; it is damaged or "
            "made to do harm, or this machine is too small"
        )
    unknown = UNKNOWN.search(text)
    if unknown:
        return (
            f"needs {unknown[1] or unknown[2]!r}, which Keras does not have; import the module "
            "that registers it with --custom-objects MODULE"
        )
    inner = ENCOUNTERED.search(text)
    line = " ".join((inner[1] if inner else text).split())[:300]
    return (
        f"cannot be loaded by this Keras ({type(error).__name__}: {line}); load it where it was "
        "saved, and save it anew with model.save('x.keras')"
    )


def _near(path: Path) -> str:
    """Words on a file beside `path` whose name is much like its, if there is one."""
    try:
        names = sorted(one.name for one in path.parent.iterdir() if fits(one.name))
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f"did you mean {path.with_name(near[0])}? Or " if near else ""
