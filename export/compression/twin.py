"""Describe a Keras 3 model so that it can be built again of Keras 2, layer by layer.

tensorflow-model-optimization works on Keras 2 alone. Models within the model are taken apart, so
that the twin is one flat graph. A layer without a twin is named here, before any work.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from export.contract import Contract
from export.skeleton.accepted import accept
from export.skeleton.fold import has_its_kernel, is_float
from export.skeleton.keras_graph import follow_graph, functional, kind, layer_names, scope

# Layers that both have, with the same options but for RENAMED.
TWINS = frozenset({
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling1D", "AveragePooling2D",
    "AveragePooling3D", "BatchNormalization", "CategoryEncoding", "CenterCrop", "Concatenate",
    "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Cropping1D", "Cropping2D",
    "Cropping3D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "Embedding", "Flatten",
    "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "LayerNormalization", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU", "RepeatVector", "Rescaling",
    "Reshape", "SeparableConv1D", "SeparableConv2D", "Softmax", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "Subtract", "UpSampling1D", "UpSampling2D",
    "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
})  # fmt: skip
RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
# What is nothing to a network that has its weights already, or is made anew.
DROPPED = ("_initializer", "_regularizer", "_constraint")
UNSAID = ("dtype", "name", "quantization_config", "renorm", "renorm_clipping", "renorm_momentum",
    "synchronized", "trainable")  # fmt: skip
SHOWN = 3


@dataclass(frozen=True)
class Tensor:
    """What a call in the description gives or takes."""

    name: str


@dataclass(frozen=True)
class Twin:
    """A model as JSON, and the Keras layers behind it.

    `description` has `inputs`, each with its name, dtype and shape without the batch, `layers`,
    `calls` in an order in which they can run, and the tensors that are `outputs`, by their names.
    `operations` are Keras' layers by the names in `description`, and `names` what the user calls
    these.
    """

    contract: Contract
    description: dict
    operations: dict[str, object]
    names: dict[str, str]

    def weights(self) -> "Weights":
        """The values of every weight, by the name of its layer and its own: "conv1|kernel"."""
        return Weights(
            {
                f"{layer}|{own}": variable
                for layer in self.operations
                for own, variable in self.variables(layer).items()
            }
        )

    def variables(self, layer: str) -> dict[str, object]:
        """Keras' variables of one layer, by their own names."""
        return _variables(self.operations[layer])


class Weights(Mapping):
    """Values of Keras' variables, each read when it is asked for, so that no copy is kept."""

    def __init__(self, variables: dict[str, object]):
        self._variables = variables

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self._variables[name].value, np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def describe(model) -> Twin:
    """Return the description of `model`; ValueError, in one line, names layers without a twin."""
    contract = accept(model)
    graph = functional(model)
    if graph is None:
        raise ValueError(
            f"the layers of {model.name} are called by a class of its own, so they cannot be built "
            "again one by one; make it a functional model, keras.Model(inputs, outputs)"
        )
    spelt = {one: name for one, name in layer_names(model).items() if kind(one) != "InputLayer"}
    operations = {scope(name): one for one, name in spelt.items()}
    _refuse_strangers(operations)
    twins = {operation: name for name, operation in operations.items()}
    layers = [_layer(name, operation) for name, operation in operations.items()]
    description = _description(contract, layers, *_calls(graph, contract, twins))
    names = {scope(name): name for name in spelt.values()}
    return Twin(contract, description, operations, names)


def _description(contract: Contract, layers: list[dict], calls: list[dict], outputs) -> dict:
    inputs = [
        {"name": one.name, "dtype": one.dtype, "shape": list(one.sizes)} for one in contract.inputs
    ]
    ends = zip(contract.outputs, outputs, strict=True)
    outputs = {one.name: tensor.name for one, tensor in ends}
    return {"inputs": inputs, "layers": layers, "calls": calls, "outputs": outputs}


def _refuse_strangers(operations: dict) -> None:
    strange = [
        f"{name} ({type(operation).__name__})"
        for name, operation in operations.items()
        if kind(operation) not in TWINS
    ]
    if not strange:
        return
    more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
    raise ValueError(
        f"tensorflow-model-optimization works on Keras 2, and these layers have no twin there: "
        f"{', '.join(strange[:SHOWN])}{more}; build the model without them"
    )


def _layer(name: str, operation) -> dict:
    """A layer as Keras 2 is told it."""
    if hasattr(operation, "kernel") and not has_its_kernel(operation):
        raise ValueError(
            f"layer {name} makes its kernel of other weights, as quantised and LoRA layers do; "
            "merge them first"
        )
    own = type(operation).__name__
    options = {
        RENAMED.get((own, key), key): _plain(name, key, value)
        for key, value in operation.get_config().items()
        if key not in UNSAID and not key.endswith(DROPPED)
    }
    return {
        "name": name,
        "class_name": own,
        "options": options,
        "weights": list(_variables(operation)),
    }


def _plain(layer: str, key: str, value):
    """An option as it is written for Keras 2; ValueError where that cannot be."""
    if isinstance(value, dict) and "class_name" in value:
        name = value.get("config")
        if value["class_name"] == "function" and isinstance(name, str) and value.get("module"):
            return name
        raise ValueError(
            f"layer {layer} has the {key} {value['class_name']}, which Keras 2 is not told; put "
            "that into a layer of its own"
        )
    return [_plain(layer, key, one) for one in value] if isinstance(value, tuple | list) else value


def _calls(graph, contract: Contract, twins: dict) -> tuple[list[dict], list[Tensor]]:
    """Every call of a layer, and the tensors at the end."""
    calls = []

    def enter(operation):
        inner = functional(operation)
        if inner is not None:
            return lambda *inputs, **_: _through(inner, inputs, enter)
        name = twins[operation]

        def call(*args, **options):
            made = Tensor(f"tensor_{len(calls)}")
            given = {key: value for key, value in options.items() if value is not None}
            given.pop("training", None)
            calls.append(
                {
                    "layer": name,
                    "args": [_argument(name, one) for one in args],
                    "options": {key: _argument(name, value) for key, value in given.items()},
                    "output": made.name,
                }
            )
            return made

        return call

    inputs = [Tensor(one.name) for one in contract.inputs]
    return calls, follow_graph(graph, inputs, enter)


def _through(graph, inputs, enter):
    """What a model within the model gives: one tensor, or a list of them."""
    made = follow_graph(graph, list(_flat(inputs)), enter)
    return made if len(made) > 1 else made[0]


def _flat(values) -> Iterator[Tensor]:
    if isinstance(values, Mapping):  # in the order of Keras' own flattening
        values = [values[key] for key in sorted(values)]
    for one in values:
        yield from [one] if isinstance(one, Tensor) else _flat(one)


def _argument(layer: str, value):
    """An argument of a call as JSON, where {"tensor": name} stands for a tensor."""
    if isinstance(value, Tensor):
        return {"tensor": value.name}
    if isinstance(value, list | tuple):
        return [_argument(layer, one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"layer {layer} is called with a {type(value).__name__}, which Keras 2 is not told; build "
        "the model without that"
    )


def _variables(operation) -> dict[str, object]:
    """The weights of a layer by their names within it, such as `kernel`."""
    return {
        _own(operation, variable): variable for variable in operation.weights if is_float(variable)
    }


def _own(operation, variable) -> str:
    _, found, own = f"/{variable.path}".rpartition(f"/{operation.name}/")
    return own if found else variable.name
