"""The one idea: a network traced once without its weights, and the weights poured in at the end.

    from export.skeleton import trace

Importing this package imports no TensorFlow: what pours and reads graphs needs none.
"""

from importlib import import_module

__all__ = ["Skeleton", "trace"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("export.skeleton.tracing"), name)
