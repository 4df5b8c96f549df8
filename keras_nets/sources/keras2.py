"""Translates configurations of models that Keras 1 and 2 wrote into those of Keras 3.

Keras 3 reads most of them. It refuses words of a layer that it dropped, though they mean nothing
(`groups` of 1), and classes by the paths that they had (`tf_keras.src.engine.functional`).
"""

from keras_nets.errors import SourceError
from keras_nets.sources import keras2_layers
from keras_nets.sources.keras2_layers import named
from keras_nets.sources.keras2_references import as_tensor, is_reference, references

MODELS = {
    "Functional": "keras.src.models.functional",
    "Sequential": "keras.src.models.sequential",
    "Model": "keras.src.models.model",
}
AREAS = ("layers", "initializers", "regularizers", "constraints", "activations")
OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
RECURRENT = (
    "LSTM",
    "GRU",
    "SimpleRNN",
    "RNN",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Bidirectional",
)
POLICIES = ("Policy", "DTypePolicy", "PolicyV1")


def translate(config: dict) -> dict:
    """Return a configuration that Keras 3 reads; SourceError where it has no equal of a layer."""
    return _translated(config)


def _translated(part):
    if isinstance(part, list):
        return [_translated(one) for one in part]
    if not isinstance(part, dict):
        return part
    kind, inner = part.get("class_name"), part.get("config")
    if not isinstance(kind, str):
        return {name: _translated(one) for name, one in part.items()}
    if kind in POLICIES and isinstance(inner, dict):
        return inner.get("name")
    if kind in OPERATIONS:
        raise SourceError(
            f"{named(inner)} is an operation of TensorFlow that Keras 2 wrote as {kind} outside a "
            "functional model, where it has no inputs; save the model anew"
        )
    if kind == "Sequential":
        inner = _with_an_input(inner)
    elif isinstance(inner, dict) and "input_layers" in inner:
        inner = _graph(inner)
    elif isinstance(inner, dict):
        kind, inner = keras2_layers.words(kind, inner)
        part = {**part, "class_name": kind}
    changed = {name: one for name, one in part.items() if name != "build_config"}
    changed = {name: _translated(one) for name, one in changed.items() if name != "config"}
    changed["config"] = _translated(inner)
    if "module" not in changed and keras2_layers.is_misread(kind, inner):
        changed |= _home(kind, "keras")
    if isinstance(changed.get("module"), str):
        changed |= _home(kind, changed["module"])
    return changed


def _home(kind: str, module: str) -> dict:
    """Where Keras 3 keeps a class of Keras 2, as words of its configuration; nothing for others."""
    import keras

    if module.partition(".")[0] not in ("keras", "tf_keras"):
        return {}
    if kind in MODELS:
        return {"module": MODELS[kind], "registered_name": kind}
    for area in AREAS:
        if hasattr(getattr(keras, area), kind):
            return {"module": f"keras.{area}", "registered_name": None}
    return {"module": module.replace("tf_keras", "keras", 1)}


def _with_an_input(inner) -> dict:
    """A Sequential model's words, where an InputLayer says its input, and no layer after it."""
    inner = {"layers": inner} if isinstance(inner, list) else inner  # before Keras 2.2.3
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return inner
    first = layers[0].get("config")
    if _is_input(layers[0]) or not isinstance(first, dict) or "batch_input_shape" not in first:
        return inner
    words = {"batch_shape": first["batch_input_shape"], "name": f"{first.get('name')}_input"}
    if isinstance(first.get("dtype"), str):
        words["dtype"] = first["dtype"]
    layer = {"class_name": "InputLayer", "config": words}
    if "module" in layers[0]:
        layer |= {"module": "keras.layers", "registered_name": None}
    return {**inner, "layers": [layer, *layers]}


def _graph(inner: dict) -> dict:
    """The words of a functional model.

    What has one input or output no longer has a list of it, and calls of a model within it are
    counted from 0: Keras 2 counted the one by which that model was made.
    """
    inner = _with_plain_names(inner)
    layers = [layer for layer in inner.get("layers", []) if isinstance(layer, dict)]
    named = [inner.get("output_layers"), [layer.get("inbound_nodes") for layer in layers]]
    calls = list(references(named))
    from_one = {layer.get("name") for layer in layers if _counts_from_one(layer, calls)}
    sequential = {layer.get("name") for layer in layers if layer.get("class_name") == "Sequential"}
    changed = {**inner, "layers": [_with_nodes(layer, from_one) for layer in layers]}
    for name in ("input_layers", "output_layers"):
        # Keras 3 itself takes one off for a functional model among them.
        ends = _moved(inner.get(name), from_one & sequential)
        changed[name] = ends[0] if isinstance(ends, list) and len(ends) == 1 else ends
    return changed


def _with_plain_names(inner: dict) -> dict:
    """A functional model whose layers have no name with a slash, which Keras 3 does not take."""
    layers = [layer.get("name") for layer in inner.get("layers", []) if isinstance(layer, dict)]
    slashed = {one: one.replace("/", "_") for one in layers if isinstance(one, str) and "/" in one}
    return _renamed(inner, slashed) if slashed else inner


def _renamed(value, names: dict[str, str]):
    if isinstance(value, dict):
        return {word: _renamed(one, names) for word, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def _counts_from_one(layer: dict, calls: list[list]) -> bool:
    """Whether `layer` is a model, and references among `calls` go past those that it has."""
    if layer.get("class_name") not in MODELS or not isinstance(layer.get("inbound_nodes"), list):
        return False
    most = max((one[1] for one in calls if one[0] == layer.get("name")), default=0)
    return most >= max(1, len(layer["inbound_nodes"]))


def _moved(value, from_one: set):
    """`value` with references to the models of `from_one` counted from 0."""
    if isinstance(value, dict):
        return {name: _moved(one, from_one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    if is_reference(value) and value[0] in from_one:
        value = [value[0], max(0, value[1] - 1), *value[2:]]
    return [_moved(one, from_one) for one in value]


def _with_nodes(layer: dict, from_one: set) -> dict:
    """A layer whose calls name each tensor among their keywords as Keras 3 does."""
    if not isinstance(layer.get("inbound_nodes"), list):
        return layer
    layer = {**layer, "inbound_nodes": _moved(layer["inbound_nodes"], from_one)}
    if layer.get("class_name") in OPERATIONS:
        from keras_nets.sources.keras2_operations import as_layer

        return as_layer(layer)
    recurrent = layer.get("class_name") in RECURRENT
    return {**layer, "inbound_nodes": [_node(one, recurrent) for one in layer["inbound_nodes"]]}


def _node(node, recurrent: bool):
    """One call of a layer: [[layer, call, output, keywords], ...], or that in Keras 3's words."""
    if not isinstance(node, list) or not all(is_reference(one) for one in node):
        return node
    keywords = [one[3] for one in node if len(one) > 3 and isinstance(one[3], dict)]
    words = {name: value for one in keywords for name, value in one.items()}
    recurrent = recurrent and len(node) > 1
    if not recurrent and not any(is_reference(value) for value in words.values()):
        return node
    tensors = [as_tensor(one) for one in node]
    named = {n: as_tensor(value) if is_reference(value) else value for n, value in words.items()}
    if recurrent:  # Keras 2 gives states among the inputs, after the sequence
        return {"args": tensors[:1], "kwargs": {**named, "initial_state": tensors[1:]}}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": named}


def _is_input(layer) -> bool:
    return isinstance(layer, dict) and layer.get("class_name") == "InputLayer"
