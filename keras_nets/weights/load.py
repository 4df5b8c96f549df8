"""Fills a Keras model from a weights file, or builds the model that the file is for."""

import keras
import numpy as np
from keras import layers

from keras_nets.catalog import MOST_CLASSES, NETS, Net, find_net
from keras_nets.errors import WeightsError
from keras_nets.settings import own_settings
from keras_nets.weights.identify import Identity, class_axis, recognise
from keras_nets.weights.memory import aligned, share
from keras_nets.weights.names import head
from keras_nets.weights.plan import SEEDED, Placement, Step, Target, plan_steps
from keras_nets.weights.readers import open_weights
from keras_nets.weights.seeded import seed_weights
from keras_nets.weights.tensor import WeightsFile


def load_weights(model_or_name, path, *, classes=None, image=None) -> keras.Model:
    """Return a model with the weights of the file at `path`, whatever kind of file that is.

    For a name or a `Net`, the model is built in the file's flavour and with its classes; `image`
    (height, width, channels) is the network's own unless given. A Keras model of the catalog is
    filled, all of it or, on an error, none. A darknet file cut before the classifier needs
    `classes`, and the classifier is then seeded. The model carries the catalog's counts along, as
    those that `Net.build` gives do.

    Raises WeightsError, with one line, for whatever does not fit or cannot be read.
    """
    with open_weights(path) as file:
        model, steps, seeds_head = _prepare(model_or_name, file, classes, image)
        # All values are read before the first is assigned, so an error leaves the model as it was.
        filled = _seeded_head(model) if seeds_head else {}
        for step in steps:
            filled[step.placement.target] = aligned(step.placement.shape)
            step.fill(filled[step.placement.target])
    for name, variable in weight_variables(model):
        variable.assign(share(filled.pop(name)))
    return model


def plan_weights(model_or_name, path, *, classes=None, image=None) -> tuple[Placement, ...]:
    """Return where each tensor of the file at `path` goes, as `load_weights` would put it.

    Reads headers only, and raises as `load_weights` does for what they tell.
    """
    with open_weights(path) as file:
        model, steps, seeds_head = _prepare(model_or_name, file, classes, image)
    placed = {step.placement.target: step.placement for step in steps}
    if seeds_head:
        for target in targets(model):
            seeded = Placement(
                source=None,
                target=target.name,
                transform=SEEDED,
                source_shape=None,
                shape=target.shape,
            )
            placed.setdefault(target.name, seeded)
    return tuple(placed.values())


def build_unfilled(net: Net, **options) -> keras.Model:
    """Build a model whose weights have memory but no values yet: nothing is drawn.

    Drawing VGG-19's initial values would take 6 s and 1.4 GB, to be overwritten. Where another
    Keras does not know `_initializer`, or with another backend than TensorFlow, it draws them, and
    all else stays right.
    """
    if keras.backend.backend() != "tensorflow":
        return net.build(**options)
    with keras.StatelessScope():  # on leaving, Keras initialises what was made inside
        model = net.build(**options)
        for _, variable in weight_variables(model):
            variable._initializer = _unfilled
    return model


def targets(model: keras.Model) -> list[Target]:
    """Return the weights of a model that files hold values for, in the model's order."""
    grid, grids = None, {}
    for layer in model.layers:
        if isinstance(layer, layers.Flatten):
            grid = tuple(layer.input.shape[1:])
        elif isinstance(layer, layers.Dense) and grid:
            grids[f"{layer.name}/kernel"], grid = grid, None
    return [Target(name, tuple(v.shape), grids.get(name)) for name, v in weight_variables(model)]


def weight_variables(model: keras.Model):
    """(layer/variable, variable) for every weight but the states of seed generators."""
    for layer in model.layers:
        for variable in layer.weights:
            if str(variable.dtype).startswith(("float", "bfloat")):
                yield f"{layer.name}/{variable.path.rsplit('/', 1)[-1]}", variable


def _prepare(
    model_or_name, file: WeightsFile, classes, image
) -> tuple[keras.Model, list[Step], bool]:
    """Return the model, the steps that fill it, and whether its classifier must be seeded."""
    if isinstance(model_or_name, (str, Net)):
        net = find_net(model_or_name) if isinstance(model_or_name, str) else model_or_name
        identity, names = recognise(net, file)
        options = {"image": image} if image else {}
        classes = _classes(net, file, identity, names, classes)
        model = build_unfilled(net, flavour=identity.flavour, classes=classes, **options)
    else:
        model = model_or_name
        if classes is not None or image is not None:
            raise ValueError("a model has its classes and its image already; leave them out")
        if model.name not in NETS:
            raise WeightsError(
                f"{file.path} cannot be loaded into a model called {model.name!r}; the catalog has"
                f" {', '.join(NETS)}"
            )
        net = NETS[model.name]
        identity, names = recognise(net, file)
        _check_graph(model, net, file, identity)
    steps = plan_steps(net, file, identity, names, targets(model))
    return model, steps, identity.classes is None


def _classes(
    net: Net, file: WeightsFile, identity: Identity, names: dict[str, str], classes: int | None
) -> int:
    """Return the number of classes: that of the file, which must be the one asked for."""
    if classes is not None and not 1 <= classes <= MOST_CLASSES:
        raise ValueError(
            f"a network has at least one class and at most {MOST_CLASSES:_}. Received: {classes}"
        )
    if identity.classes is None and classes is None:
        raise WeightsError(
            f"{file.path} ends before the classifier of {net.name}; say how many classes it gets"
        )
    if classes is not None and identity.classes not in (None, classes):
        kernel = file.tensors[names[head(net)]]
        wanted = list(kernel.shape)
        wanted[class_axis(identity.naming, kernel.shape)] = classes
        raise WeightsError(
            f"{file.path} has {identity.classes} classes where {classes} are asked for: tensor"
            f" {kernel.name!r} has shape {kernel.shape} and not {tuple(wanted)}; leave them out to"
            " take the file's"
        )
    return classes or identity.classes


def _check_graph(model: keras.Model, net: Net, file: WeightsFile, identity: Identity) -> None:
    """Raise unless the model has the layers of the file's flavour; set its expected counts."""
    shapes = dict(image=tuple(model.input_shape[1:]), classes=model.output_shape[-1])
    wanted = build_unfilled(net, flavour=identity.flavour, **shapes)
    if _layers(model) != _layers(wanted):
        raise WeightsError(
            f"{file.path} holds weights of flavour {identity.flavour!r} and the model of"
            f" {net.name} has other layers; build it with flavour={identity.flavour!r}"
        )
    model.expected_counts = wanted.expected_counts


def _layers(model: keras.Model) -> list[tuple[str, type, bool]]:
    return [(layer.name, type(layer), getattr(layer, "use_bias", None)) for layer in model.layers]


@own_settings()
def _seeded_head(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the classifier's weights as `seed_weights` with seed 0 gives them."""
    classifier = model.get_layer("logits")
    inputs = keras.Input((1,))
    # The layer between stands for the rest: the first kernel of a model is seeded differently.
    x = layers.Dense(classifier.input.shape[-1], name="rest")(inputs)
    head = keras.Model(inputs, layers.Dense(classifier.units, name="logits")(x), name=model.name)
    seed_weights(head, 0)
    seeded = {}
    for name, variable in weight_variables(head):
        if name.startswith("logits/"):
            seeded[name] = aligned(tuple(variable.shape))
            seeded[name][...] = keras.ops.convert_to_numpy(variable)
    return seeded


def _unfilled(shape, dtype):
    """Return memory without filling it: an initializer of Keras."""
    if dtype != "float32":
        return keras.ops.zeros(shape, dtype)
    return share(aligned(tuple(shape)))
