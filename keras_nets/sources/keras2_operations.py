"""Operations of TensorFlow among the layers of a functional model, which Keras 2 keeps as layers.

Keras 2 writes `x * 2` as a TFOpLambda: the path of the function, and a call with tensors and values
for its arguments. Here each becomes a layer that calls the function, if it is one that only
computes: a file could name any.
"""

import keras
import tensorflow as tf

from keras_nets.errors import SourceError
from keras_nets.sources.keras2_references import as_tensor, is_reference

MATH = """
    abs add argmax ceil cos cumsum divide equal erf exp floor greater greater_equal
    l2_normalize less less_equal log logical_and logical_not logical_or maximum minimum
    multiply negative not_equal pow reduce_max reduce_mean reduce_min reduce_prod
    reduce_sum round rsqrt sigmoid sin softplus sqrt square squared_difference subtract
    tanh truediv
"""
NN = """
    avg_pool depth_to_space elu gelu l2_normalize leaky_relu log_softmax max_pool relu
    relu6 selu sigmoid silu softmax softplus space_to_depth swish tanh
"""
OTHERS = """
    cast clip_by_value concat expand_dims gather identity image.resize linalg.matmul
    ones_like pad repeat reshape reverse split squeeze stack stop_gradient tile transpose
    unstack where zeros_like
"""
KNOWN = {
    *(f"math.{name}" for name in MATH.split()),
    *(f"nn.{name}" for name in NN.split()),
    *OTHERS.split(),
}
SLICING = "__operators__.getitem"
# How Python's own operators are written, of which TensorFlow has functions.
OPERATORS = {"__operators__.add": "math.add", "nn.swish": "nn.silu"}


@keras.saving.register_keras_serializable("keras_nets.keras2")
class TensorFlowOperation(keras.layers.Layer):
    """Calls a function of TensorFlow that only computes.

    `first` is its first argument and `words` are those by name; {"tensor": 1} stands in them for
    the second tensor that the layer is called with.
    """

    def __init__(self, function: str, first, words: dict, **options):
        super().__init__(**options)
        if function not in KNOWN and function != SLICING:
            raise ValueError(f"{function!r} is no function that only computes")
        self.function, self.first, self.words = function, first, words

    def call(self, *tensors):
        first = _filled(self.first, tensors)
        words = {name: _filled(value, tensors) for name, value in self.words.items()}
        if self.function == SLICING:
            return first[_slices(words["slice_spec"])]
        found = tf
        for part in self.function.split("."):
            found = getattr(found, part)
        return found(first, **words)

    def get_config(self):
        own = {"function": self.function, "first": self.first, "words": self.words}
        return super().get_config() | own


def as_layer(layer: dict) -> dict:
    """Return a layer of a functional model, a TFOpLambda, in the words of Keras 3.

    Raises SourceError where its function is not known to only compute, or is called twice.
    """
    inner = layer.get("config", {})
    function = OPERATORS.get(inner.get("function"), inner.get("function"))
    nodes = layer.get("inbound_nodes")
    if (function not in KNOWN and function != SLICING) or not _is_one_call(nodes):
        raise SourceError(
            f"the layer {str(inner.get('name'))[:60]!r} is tf.{str(function)[:60]}, an operation "
            "that Keras 2 wrote as a layer and that is not translated; build the model with "
            "keras.ops and give it the weights"
        )
    first, words, tensors = _arguments(nodes[0])
    kept = {name: inner[name] for name in ("name", "trainable", "dtype") if name in inner}
    return {
        **layer,
        "class_name": TensorFlowOperation.__name__,
        "module": __name__,
        "registered_name": f"keras_nets.keras2>{TensorFlowOperation.__name__}",
        "config": {**kept, "function": function, "first": first, "words": words},
        "inbound_nodes": [{"args": [as_tensor(one) for one in tensors], "kwargs": {}}],
    }


def _is_one_call(nodes) -> bool:
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], list):
        return False
    node = nodes[0] if nodes[0] and isinstance(nodes[0][0], list) else nodes
    return bool(node) and all(isinstance(one, list) and len(one) == 4 for one in node)


def _arguments(node: list) -> tuple[object, dict, list[list]]:
    """The first argument, those by name, and the tensors that both stand for."""
    tensors = []

    def placed(value):
        if is_reference(value):
            tensors.append(value)
            return {"tensor": len(tensors) - 1}
        if isinstance(value, dict):
            return {name: placed(one) for name, one in value.items()}
        return [placed(one) for one in value] if isinstance(value, list) else value

    several = isinstance(node[0], list)
    calls = node if several else [node]
    firsts = [one[2] if one[0] == "_CONSTANT_VALUE" else placed(one[:3]) for one in calls]
    words = calls[0][3] if isinstance(calls[0][3], dict) else {}
    words = {name: placed(value) for name, value in words.items() if name != "name"}
    return (firsts if several else firsts[0]), words, tensors


def _filled(value, tensors):
    """`value` with tensors in their places."""
    if isinstance(value, dict):
        if set(value) == {"tensor"}:
            return tensors[value["tensor"]]
        return {name: _filled(one, tensors) for name, one in value.items()}
    return [_filled(one, tensors) for one in value] if isinstance(value, list) else value


def _slices(value):
    """What stands between the brackets of an array."""
    if isinstance(value, list):
        return tuple(_slices(one) for one in value)
    if isinstance(value, dict) and value.get("class_name") == "__ellipsis__":
        return ...
    if isinstance(value, dict):
        return slice(value.get("start"), value.get("stop"), value.get("step"))
    return value
