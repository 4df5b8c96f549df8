"""Import heavy packages when they are needed, and say what to do if one is missing."""

from collections.abc import Callable, Mapping
from importlib import import_module

from export.child import in_a_line
from export.errors import MissingPackage


def need(module: str, *, to: str):
    """Import and return `module`; raise MissingPackage, which says what needs it, if that fails."""
    try:
        return import_module(module)
    except Exception as cause:  # a mismatched install raises AttributeError and worse
        package = module.split(".")[0]
        raise MissingPackage(
            f"{to} needs {package}, which gave {in_a_line(cause)}; run pip install {package}"
        ) from cause


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a `__getattr__` for `package`: it imports the home of a name when that is asked for.

    `homes` maps each name that the package offers to the module that has it.
    """

    def attribute(name: str):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return attribute


def install(extra: str = "") -> str:
    """Return what an error advises: to install the toolkit, with an `extra` of setup.cfg."""
    return f"in the toolkit's folder run pip install -e '.{f'[{extra}]' if extra else ''}'"
