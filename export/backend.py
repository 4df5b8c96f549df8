"""Check that Keras runs on TensorFlow, which exporting needs, and load both."""

import gc
import importlib
import json
import os
import sys
from pathlib import Path

from export.errors import ExportError

NEEDED = "tensorflow"
ALONG = ("matplotlib", "pandas", "sklearn")  # for plots, tables and estimators of Keras' own


def require_tensorflow() -> None:
    """Raise ExportError if Keras runs, or would run, on another backend."""
    if "keras" in sys.modules:
        found = sys.modules["keras"].backend.backend()
        cure = "start Python anew without KERAS_BACKEND, or with KERAS_BACKEND=tensorflow"
    elif found := os.environ.get("KERAS_BACKEND"):
        cure = "unset KERAS_BACKEND"
    else:
        settings = _settings()
        found = _backend_in(settings)
        cure = f"set KERAS_BACKEND=tensorflow, which goes before {settings}"
    if found != NEEDED:
        raise ExportError(f"exporting needs Keras on TensorFlow. It is set to {found!r}; {cure}")


def load_keras() -> None:
    """Import Keras, and TensorFlow with it, without the packages of ALONG.

    Keras takes them along where it finds them, and they take 0.16 GB and 1 s; nothing that is done
    here needs what it does with them. Whoever imports them later has them as ever. What is imported
    stays to the end, so no collection of garbage is to look at it, which takes 0.2 s each time.
    """
    if "keras" in sys.modules:
        return
    hidden = [name for name in ALONG if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # not to be found
    gc.disable()
    try:
        importlib.import_module("keras")
    finally:
        gc.enable()
        for name in hidden:
            del sys.modules[name]
    gc.freeze()


def _settings() -> Path:
    """Return the path of the user's settings of Keras."""
    home = os.environ.get("KERAS_HOME")
    return Path(home) / "keras.json" if home else Path.home() / ".keras" / "keras.json"


def _backend_in(settings: Path) -> str:
    try:
        read = json.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras takes its defaults too
        return NEEDED
    return str(read.get("backend", NEEDED)) if isinstance(read, dict) else NEEDED
