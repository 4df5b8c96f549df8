"""A model of pictures of any size, made one of pictures of a given size."""

from dataclasses import replace

from keras_nets.errors import SourceError
from keras_nets.sources.source import Loaded

SIDES = (1, 2)  # axes


def in_size(loaded: Loaded, size: tuple[int, int] | None) -> Loaded:
    """Return `loaded` with its height and width fixed, if a `size` is asked for.

    Raises SourceError where the model takes no pictures, or those of another size.
    """
    if size is None:
        return loaded
    model = _fixed(loaded.model, tuple(size))
    return replace(loaded, model=model, source=replace(loaded.source, size=tuple(size)))


def _fixed(model, size: tuple[int, int]):
    import keras

    inputs = getattr(model, "inputs", None) or ()
    shapes = [tuple(tensor.shape) for tensor in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise SourceError(
            f"--image-size is for models of one picture, and {model.name} takes {shapes}; leave it "
            "out"
        )
    (tensor,), (shape,) = inputs, shapes
    sides = tuple(shape[axis] for axis in SIDES)
    if sides == size:
        return model
    if sides != (None, None):
        raise SourceError(
            f"{model.name} takes pictures {shape[1:]}, and --image-size fixes only sides that are "
            "free; leave it out"
        )
    given = keras.Input((*size, shape[3]), dtype=tensor.dtype, name=tensor.name)
    try:
        made = keras.models.clone_model(model, input_tensors=given)
        made.set_weights(model.get_weights())
    except Exception as error:  # layers raise what they like
        reason = " ".join(str(error).split())[:300]
        raise SourceError(
            f"{model.name} cannot be built for pictures of {size[0]}x{size[1]} "
            f"({type(error).__name__}: {reason}); try another --image-size"
        ) from error
    return made
