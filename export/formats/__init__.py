"""Every format; adding one is a file or a folder here, and a line in `names`.

Importing this package loads none of them, so that command lines can ask for the `names` alone.
"""

from importlib import import_module

_LISTED = {
    "ALL": "export.formats.registry",
    "FORMATS": "export.formats.registry",
    "find_format": "export.formats.registry",
    "open_network": "export.formats.registry",
    "Format": "export.formats.base",
}
__all__ = sorted(_LISTED)


def __getattr__(name: str):
    if name in _LISTED:
        return getattr(import_module(_LISTED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
