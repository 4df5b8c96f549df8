"""Refuse models that cannot be exported, in one line and before any work."""

from export.skeleton.keras_graph import all_layers, functional


def accept(model) -> tuple[tuple[int, int, int], int]:
    """Return the image (height, width, channels) that `model` takes, and how many classes it has.

    Raises ValueError unless the model maps one float32 image to one row of logits.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if inputs is None and type(model).__name__ == "Sequential":
        raise ValueError(
            "a Sequential model without an Input does not tell its image size; build it: "
            "model.build((None, height, width, channels))"
        )
    if inputs is None:
        raise ValueError(
            "a model of a class of its own does not tell its image size; wrap it: "
            "keras.Model(image, model(image)), where image is a keras.Input"
        )
    if not inputs or len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError("a model to export takes one input of (batch, height, width, channels)")
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError("a model to export gives one output of (batch, classes)")
    image, classes = tuple(inputs[0].shape[1:]), outputs[0].shape[-1]
    if None in image or classes is None:
        raise ValueError(f"a model to export has a fixed image size and class count, not {image}")
    if inputs[0].shape[0] is None and outputs[0].shape[0] is not None:
        raise ValueError(
            f"a model to export gives one row of logits an image, and this one gives "
            f"{outputs[0].shape[0]} for any number of them; look at what it reshapes"
        )
    _refuse_half(model)
    _refuse_type(inputs[0].dtype, image)
    return image, classes


def _refuse_type(declared: str, image: tuple) -> None:
    if declared != "float32":
        raise ValueError(
            f"a model to export takes images of float32, and this one declares {declared}; wrap "
            f"it: image = keras.Input({image}), then "
            f"keras.Model(image, model(keras.ops.cast(image, {declared!r})))"
        )


def _refuse_half(model) -> None:
    for layer in all_layers(model):
        if layer.compute_dtype in ("float16", "bfloat16") and functional(layer) is None:
            raise ValueError(
                f"{layer.name} computes in {layer.compute_dtype}, and artifacts are made of "
                "networks in float32; build the model with layers of the dtype float32 and give "
                "it these weights"
            )
