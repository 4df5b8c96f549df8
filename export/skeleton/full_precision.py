"""A model that computes in 16 or 64 bits, as the same network in 32: what artifacts are made of."""

from export.skeleton.keras_graph import all_layers, functional, kind

OTHERS = ("float16", "bfloat16", "float64")


def halves(model) -> list:
    """Return the layers of `model` that compute in other floats; inputs declare what they like."""
    return [
        layer
        for layer in all_layers(model)
        if layer.compute_dtype in OTHERS
        and functional(layer) is None
        and kind(layer) != "InputLayer"
    ]


def in_full_precision(model) -> tuple[object, str]:
    """Return `model`, or its copy in float32 where layers compute in others, and what was done.

    The copy has the same weights; `model` is left as it is. A model that Keras cannot copy comes
    back itself, for whoever accepts models to refuse.
    """
    found = halves(model)
    if not found or functional(model) is None:
        return model, ""
    import keras

    try:
        copy = keras.models.clone_model(model, clone_function=_copied, recursive=True)
    except (TypeError, ValueError, NotImplementedError):  # a layer that has no config, for one
        return model, ""
    copy.set_weights(model.get_weights())
    return copy, (
        f"{found[0].name} computes in {found[0].compute_dtype}, and {len(found)} layers in all do; "
        "what was exported and compared is the same network in float32"
    )


def _copied(layer):
    config = layer.get_config()
    if kind(layer) != "InputLayer":
        config["dtype"] = "float32"
    return type(layer).from_config(config)
