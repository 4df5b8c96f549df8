"""Names and tensors from what paddle and torch pickle, however deep a script nests it.

A dictionary inside a dictionary puts its own key and `NESTED` before the names in it:
`state_dict::module.features.0.weight`. Which of them are a network's weights is for
`keras_nets/weights/prefix.py` to tell.
"""

from collections.abc import Callable, Iterator

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import Call, check_key
from keras_nets.weights.tensor import DAMAGE, Tensor

NESTED = "::"
ORDERED = "collections.OrderedDict"
MAX_DEPTH = 16  # dictionaries in dictionaries, and modules in modules
LONGEST_PREFIX = 256  # characters; bounds what a file makes of names that it writes once


def named_tensors(
    state, tensor: Callable[[str, object], Tensor | None], aside: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Return the tensors of a pickled dictionary and of those inside it, by name.

    `tensor` makes a pickled value a Tensor, or gives None for what is none; one that it cannot make
    is an error only when its values are asked for. Values `aside` are passed over. Raises
    WeightsError if there is no tensor.
    """
    if not _has_items(state):
        raise WeightsError("it holds no dictionary of tensors")
    tensors, seen = {}, set()
    for name, value in _walk(state, "", 0, seen):
        if name in aside:
            continue
        try:
            found = tensor(name, value)
        except DAMAGE as error:
            found = _broken(name, error)
        if found is not None:
            tensors[name] = found
    if not tensors:
        raise WeightsError("it holds no tensors by name")
    return tensors


def _walk(state, prefix: str, depth: int, seen: set[int]) -> Iterator[tuple[str, object]]:
    """Yield what has a name in `state`, and in each dictionary and module below it once."""
    if id(state) in seen or depth > MAX_DEPTH or len(prefix) > LONGEST_PREFIX:
        return
    seen.add(id(state))
    parameters, inside, mark = _parts(state)
    for name, value in parameters.items():
        if isinstance(name, str):
            if _has_items(value):
                yield from _walk(value, f"{prefix}{name}{NESTED}", depth + 1, seen)
            else:
                yield prefix + name, value
    for name, value in inside.items():
        if isinstance(name, str) and _has_items(value):
            yield from _walk(value, f"{prefix}{name}{mark}", depth + 1, seen)


def _parts(state) -> tuple[dict, dict, str]:
    """Return the named values of a dictionary, or the weights and modules of a torch module."""
    if not _is_module(state):
        return _items(state), {}, NESTED
    tables = (state.state.get(name) for name in ("_parameters", "_buffers", "_modules"))
    parameters, buffers, modules = (_items(table) if _has_items(table) else {} for table in tables)
    return parameters | buffers, modules, "."


def _has_items(state) -> bool:
    """Return whether this is a pickled dictionary of any class, or a module."""
    if not isinstance(state, Call):
        return isinstance(state, dict)
    return bool(state.items) or str(state.function) == ORDERED or _is_module(state)


def _items(state) -> dict:
    if isinstance(state, dict):
        return state
    if str(state.function) != ORDERED:
        return state.items
    # Python 2 gives a list of pairs; later versions fill an empty one.
    pairs = state.arguments[0] if state.arguments else ()
    return {**{check_key(key): value for key, value in pairs}, **state.items}


def _is_module(state) -> bool:
    """Return whether this is a torch module that was pickled whole, with the name of its class."""
    return isinstance(state, Call) and isinstance(state.state, dict) and "_modules" in state.state


def _broken(name: str, error: Exception) -> Tensor:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    if not isinstance(error, WeightsError):
        text = f"tensor {name[:200]!r} is damaged ({text})"
    return Tensor(name=name, shape=(), dtype="", open=lambda: None, problem=text)
