"""Export Keras networks to artifacts that servers run, and prove that each is its network.

    from export import export_model
    from export import verify

Importing this package imports nothing heavy.
"""

import os
from importlib import import_module

from export.backend import require_tensorflow
from export.tensorflow_settings import QUIET

_PUBLIC = {
    "export_model": "export.pipeline",
    "verify": "export.pipeline",
    "Options": "export.pipeline",
    "Export": "export.pipeline",
    "Verification": "export.pipeline",
    "GateOptions": "export.gate.examine",
    "Wish": "export.gate.examine",
    "Expected": "export.checks.base",
    "ExportError": "export.errors",
    "FORMATS": "export.formats",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str):
    if name in _PUBLIC:
        for setting, value in QUIET.items():  # read by TensorFlow, which a user may import next
            os.environ.setdefault(setting, value)
        if _PUBLIC[name] == "export.pipeline":
            require_tensorflow()
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'export' has no attribute {name!r}")
