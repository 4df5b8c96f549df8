"""The one idea: a network traced once without its weights, and the weights poured in at the end.

    from export.skeleton import trace

Importing this package imports no TensorFlow: what pours and reads graphs needs none.
"""

from export.lazy import on_first_use

_HOMES = {"Skeleton": "export.skeleton.tracing", "trace": "export.skeleton.tracing"}
__all__ = sorted(_HOMES)
__getattr__ = on_first_use(__name__, _HOMES)
