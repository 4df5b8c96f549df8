"""The one door to heavy packages."""

from importlib import import_module

from export.errors import MissingPackage


def need(module: str, *, to: str):
    """Import `module` now; where that fails raise MissingPackage, which says what wanted it."""
    try:
        return import_module(module)
    except Exception as cause:  # a mismatched install raises AttributeError and worse
        why = f"{type(cause).__name__}: {cause}".splitlines()[0]
        package = module.split(".")[0]
        raise MissingPackage(
            f"{to} needs {package}, which gave {why}; run pip install {package}"
        ) from cause
