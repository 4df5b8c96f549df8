"""State dictionaries as paddle and torch nest them, flattened to names and tensors."""

from collections.abc import Callable

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import Call, check_key
from keras_nets.weights.tensor import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "params")
PARALLEL = "module."  # what torch's DataParallel puts before every name


def named_tensors(
    state, tensor: Callable[[str, object], Tensor | None], aside: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Return the tensors of a state dictionary, or of the one it wraps, by name.

    `tensor` makes a pickled value a Tensor, or gives None for what is none. Values `aside` are
    passed over. Raises WeightsError where there is no tensor.
    """
    items = _items(state)
    tensors = {}
    for name, value in items.items():
        if isinstance(name, str) and name not in aside:
            found = tensor(name, value)
            if found is not None:
                tensors[name] = found
    if not tensors:
        for wrapper in WRAPPERS:
            if wrapper in items:
                return named_tensors(_items(items[wrapper]), tensor, (*aside, *WRAPPERS))
        raise WeightsError("it holds no tensors by name")
    if all(name.startswith(PARALLEL) for name in tensors):
        tensors = {name[len(PARALLEL) :]: found for name, found in tensors.items()}
    return tensors


def _items(state) -> dict:
    """The items of a pickled dictionary, ordered or not."""
    if isinstance(state, dict):
        return state
    if isinstance(state, Call) and str(state.function) == "collections.OrderedDict":
        # Python 2 gives a list of pairs; later versions fill an empty one.
        pairs = state.arguments[0] if state.arguments else ()
        return {**{check_key(key): value for key, value in pairs}, **state.items}
    raise WeightsError("it holds no dictionary of tensors")
