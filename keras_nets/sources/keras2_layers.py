"""The words of one layer as Keras 1 and 2 wrote them, in those of Keras 3.

Keras 3 dropped some words that mean nothing, some layers whose work another does, and gave
`hard_sigmoid` another meaning.
"""

from keras_nets.errors import SourceError

NO_TIME_MAJOR = {"time_major": (False,)}
# What layers no longer take, and the values at which that changes nothing.
DROPPED = {
    "LSTM": {**NO_TIME_MAJOR, "implementation": (0, 1, 2)},
    "GRU": {**NO_TIME_MAJOR, "implementation": (0, 1, 2)},
    "SimpleRNN": NO_TIME_MAJOR,
    "RNN": NO_TIME_MAJOR,
    "ConvLSTM1D": NO_TIME_MAJOR,
    "ConvLSTM2D": NO_TIME_MAJOR,
    "ConvLSTM3D": NO_TIME_MAJOR,
    "MultiHeadAttention": {"softmax_robust_masking": (False,)},
    "SpatialDropout1D": {"noise_shape": (None,)},
    "SpatialDropout2D": {"noise_shape": (None,)},
    "SpatialDropout3D": {"noise_shape": (None,)},
    "BatchNormalization": {
        "renorm": (False,),
        "fused": (None, True, False),
        "virtual_batch_size": (None,),
        "adjustment": (None,),
    },
}
KERNEL = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
# What says something that Keras 3 finds out by itself, or what never had a meaning: Keras 2 takes
# `groups` for every convolution, and computes it for Conv1D, Conv2D and Conv3D alone.
SUPERFLUOUS = {
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape"),
    "DepthwiseConv1D": ("groups",),
    "DepthwiseConv2D": ("groups",),
    "SeparableConv1D": ("groups", *KERNEL),
    "SeparableConv2D": ("groups", *KERNEL),
    "Conv1DTranspose": ("groups",),
    "Conv2DTranspose": ("groups",),
    "Conv3DTranspose": ("groups",),
    "Discretization": ("trainable",),
    "SpatialDropout1D": ("trainable",),
    "SpatialDropout2D": ("trainable",),
    "SpatialDropout3D": ("trainable",),
    "RandomBrightness": ("rng_type",),
    "RandomContrast": ("rng_type",),
    "RandomCrop": ("rng_type",),
    "RandomFlip": ("rng_type",),
    "RandomRotation": ("rng_type",),
    "RandomTranslation": ("rng_type",),
    "RandomZoom": ("rng_type",),
}
# Layers that only change pictures in training, and give them on as they are in inference.
ONLY_IN_TRAINING = ("RandomHeight", "RandomWidth")
FUNCTIONS = ("activation", "recurrent_activation")


def words(kind: str, inner: dict) -> tuple[str, dict]:
    """Return the class and the words of a layer of the class `kind` as Keras 3 reads them.

    Raises SourceError where Keras 3 has no equal.
    """
    _check_dropped(kind, inner)
    gone = {*DROPPED.get(kind, {}), *SUPERFLUOUS.get(kind, ())}
    if kind != "InputLayer":
        gone.add("batch_input_shape")
    inner = {name: value for name, value in inner.items() if name not in gone}
    axis = inner.get("axis")
    if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        inner["axis"] = axis[0]
    if kind == "Lambda":
        inner = _lambda(inner)
    return _replaced(kind, _with_its_hard_sigmoid(kind, inner))


def named(inner) -> str:
    """The words by which a message names the layer with the words `inner`."""
    name = inner.get("name") if isinstance(inner, dict) else None
    return f"the layer {str(name)[:60]!r}"


def is_misread(kind: str, inner) -> bool:
    """Whether Keras 3 takes these words for others where no module is named, as in an .h5 file.

    It forgets several axes, and takes "dot" for its function of that name.
    """
    axis = inner.get("axis") if isinstance(inner, dict) else None
    return kind == "Attention" or (isinstance(axis, list) and len(axis) != 1)


def _check_dropped(kind: str, inner: dict) -> None:
    for name, neutral in DROPPED.get(kind, {}).items():
        if name in inner and inner[name] not in neutral:
            raise SourceError(
                f"{named(inner)} is a {kind} with {name}={inner[name]!r}, which Keras 3 lacks; "
                "build the model in Keras 3 and give it the weights"
            )


def _replaced(kind: str, inner: dict) -> tuple[str, dict]:
    """A layer that Keras 3 lacks as one that computes the same, any other as it is."""
    kept = {name: inner[name] for name in ("name", "trainable", "dtype") if name in inner}
    if kind == "ThresholdedReLU":
        return "ReLU", {**kept, "threshold": inner.get("theta", 1.0)}
    if kind in ONLY_IN_TRAINING:
        return "Identity", kept
    return kind, inner


def _with_its_hard_sigmoid(kind: str, inner: dict) -> dict:
    """The words of a layer of Keras' own with Keras 2's function of that name for Keras 3's."""
    if not any(_is_hard_sigmoid(inner.get(name)) for name in FUNCTIONS):
        return inner
    import keras

    if not hasattr(keras.layers, kind):
        return inner
    from keras_nets.sources.keras2_functions import hard_sigmoid

    function = keras.saving.serialize_keras_object(hard_sigmoid)
    named_here = [name for name in FUNCTIONS if _is_hard_sigmoid(inner.get(name))]
    return {**inner, **{name: dict(function) for name in named_here}}


def _is_hard_sigmoid(value) -> bool:
    """Whether a word is Keras' function, by its name or as newer files describe functions."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    return value == "hard_sigmoid"


def _lambda(inner: dict) -> dict:
    """The words of a Lambda layer; its bytecode only moves, and whether it may run is not ours."""
    gone = ("module", "function_type", "output_shape_type", "output_shape_module")
    kept = {name: value for name, value in inner.items() if name not in gone}
    for name in ("function", "output_shape"):
        value, kind = inner.get(name), inner.get(f"{name}_type")
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            code = dict(zip(("code", "defaults", "closure"), value, strict=True))
            kept[name] = {"class_name": "__lambda__", "config": code}
        elif isinstance(value, str) and kind == "function":
            kept[name] = {"class_name": "function", "config": value, "module": "builtins"}
            kept[name]["registered_name"] = value
    return kept
