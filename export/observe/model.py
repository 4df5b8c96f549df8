"""What the Keras model itself says: the standard that every artifact is held against."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace

import numpy as np

from export.errors import ExportError
from export.formats import ALL, Format
from export.formats.base import Found
from export.observe.noise import Noise, NoiseError
from export.skeleton.fold import Norm, is_float, norms
from export.skeleton.keras_graph import functional, layer_names, run_graph
from export.skeleton.pour import chunks, digest

AT_ONCE = 2  # images a run: eager Keras keeps every activation until the end
SMALLEST_NORMAL = 2.0**-14  # of float16; what is smaller loses precision
SMALLEST = 2.0**-25  # rounds to zero in float16


@dataclass(frozen=True)
class Layer:
    """The largest absolute activation of one layer over the probes, and all for the first probe."""

    name: str
    largest: float
    first: np.ndarray | None = field(default=None, repr=False, compare=False)  # None: runs twice


@dataclass(frozen=True)
class Half:
    """How a weight fares in float16: shares of its values that lose precision or become zero."""

    name: str
    largest: float
    subnormal: float
    zero: float
    _: KW_ONLY
    values: int  # how many it has


@dataclass(frozen=True)
class Totals:
    """Parameters of the Keras model as it stands."""

    trainable: int
    total: int
    page: int  # kernels and batch-norm scales, as PaddleClas' table counts


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The model's logits on the probes, and facts that checks compare with."""

    name: str
    image: tuple[int, int, int]
    classes: int
    totals: Totals
    sha256: str  # canonical: names in order, shapes, little-endian float32
    weights: tuple[Found, ...]  # after folding
    stored: Mapping[str, tuple[Found, ...]] = field(default_factory=dict)  # see `weights_in`
    halves: tuple[Half, ...]  # the same weights in float16
    images: np.ndarray  # (n, height, width, channels) float32
    logits: np.ndarray  # (n, classes) float32
    layers: tuple[Layer, ...]  # empty where the model is no functional graph
    norms: tuple[Norm, ...] = ()
    noise: Noise | None = None  # None where it could not be measured
    constants: frozenset[str] = frozenset()  # digests of float tensors in the graph, no weights
    graph: bytes = field(default=b"", repr=False)  # the skeleton: the network without its weights
    warnings: tuple[str, ...] = ()  # of the model itself, such as noise that could not be measured

    def weights_in(self, format: Format) -> tuple[Found, ...]:
        """The weights as a right artifact of `format` holds them."""
        return self.stored.get(format.name, self.weights)


def observe_model(
    model, skeleton, images: np.ndarray, formats: Iterable[Format] | None = None
) -> Reference:
    """Run `model` on `images` and take down everything that an artifact must agree with.

    Artifacts of `formats`, by default of all, can be held against what comes back.
    """
    formats = tuple(ALL if formats is None else formats)
    logits, layers = _run(model, images)
    found, halves, stored = [], [], {}
    for weight in skeleton.weights:
        values = weight.read()
        found.append(Found(weight.name, weight.shape, digest(values)))
        halves.append(_half(weight.name, values))
        for format, other in _stored(values, formats):
            stored.setdefault(format.name, []).append(replace(found[-1], sha256=digest(other)))
    folds = tuple(norms(model))
    kinds = frozenset().union(*(format.noises for format in formats))
    noise, warning = _noise(skeleton, images, layers, folds, kinds)
    return Reference(
        name=skeleton.name,
        image=skeleton.image,
        classes=skeleton.classes,
        totals=_totals(model),
        sha256=canonical_sha256(model),
        weights=tuple(found),
        stored={name: tuple(weights) for name, weights in stored.items()},
        halves=tuple(halves),
        images=images,
        logits=logits,
        layers=layers,
        norms=folds,
        noise=noise,
        warnings=(*warning, *_doubts(skeleton, logits)),
        constants=frozenset(map(digest, _constants(skeleton.graph, formats))),
        graph=skeleton.graph.SerializeToString(),
    )


def _stored(values: np.ndarray, formats: Iterable[Format]) -> Iterator[tuple]:
    """Each format that stores something else than `values`, and what that is."""
    for format in formats:
        other = format.stored(values)
        if other is not values:
            yield format, other


def _constants(graph, formats: Iterable[Format]) -> Iterator[np.ndarray]:
    """Every float constant of a traced network, in the orders of axes that converters keep it in.

    Means and scales of a preprocessing layer, for example; also as each format stores it.
    """
    from tensorflow import make_ndarray

    for node in graph.node:
        if node.op == "Const" and node.attr["dtype"].type == 1:
            values = make_ndarray(node.attr["value"].tensor)
            for held in (values, *(other for _, other in _stored(values, formats))):
                yield held
                if held.ndim > 2:
                    yield np.moveaxis(held, -1, -3)  # channels before rows and columns


def _noise(skeleton, images, layers, folds, kinds) -> tuple[Noise | None, tuple[str, ...]]:
    """The noise of the network; or None, and a warning that bounds are fixed for want of it."""
    from export.networks.noise import measure_noise

    try:
        return measure_noise(skeleton, images, [layer.name for layer in layers], folds, kinds), ()
    except NoiseError as error:
        return None, (
            f"the network's own noise could not be measured, so bounds are fixed: {error}",
        )


def _doubts(skeleton, logits) -> list[str]:
    """Why the images may not be such as the network is used on."""
    found = []
    if skeleton.takes.unknown:
        found.append(
            f"{skeleton.takes.unknown[0]} rescales what it is given, and the probes do not take "
            "that into account; compare on images of your own too"
        )
    if logits.shape[1] > 1 and len(logits) > 1 and len(set(logits.argmax(axis=1))) == 1:
        found.append(
            f"the model takes all {len(logits)} images compared for one class, so they may be "
            "unlike those that it knows; compare on images of your own too"
        )
    return found


def canonical_sha256(model) -> str:
    """sha256 of every weight in order: its name, its shape, its little-endian float32 values."""
    sha = hashlib.sha256()
    for variable in model.weights:
        if is_float(variable):
            sha.update(f"{variable.path}{tuple(variable.shape)}".encode())
            for chunk in chunks(np.asarray(variable.value)):
                sha.update(chunk)
    return sha.hexdigest()


def _totals(model) -> Totals:
    def count(variables):
        return sum(int(np.prod(v.shape)) for v in variables if is_float(v))

    biases = [v for v in model.trainable_variables if v.path.endswith("/bias")]
    trainable = count(model.trainable_variables)
    return Totals(trainable, count(model.weights), trainable - count(biases))


def _run(model, images):
    """Logits of the model, and the largest activation of each of its layers."""
    import keras

    names, seen, parts = layer_names(model), {}, []

    def tap(operation):
        graph = functional(operation)
        if graph is not None:  # a model within the model
            return lambda x, **_: run_graph(graph, x, tap)
        name = names.get(operation, operation.name)

        def call(*args, **options):
            outputs = _called(operation, name, args, options)
            if hasattr(outputs, "dtype"):
                _take_down(seen, name, np.asarray(outputs), in_first=not parts)
            return outputs

        return call

    graph = functional(model)
    for start in range(0, len(images), AT_ONCE):
        batch = images[start : start + AT_ONCE]
        outputs = run_graph(graph, batch, tap) if graph else model(batch, training=False)
        (logits,) = keras.tree.flatten(outputs)
        parts.append(np.asarray(logits, np.float32))
    return np.concatenate(parts), tuple(seen.values())


def _called(operation, name: str, args, options):
    """What an operation of Keras gives at inference; ExportError where TensorFlow has no kernel."""
    import tensorflow as tf

    if getattr(operation, "_call_has_training_arg", False):
        options["training"] = False  # random flips, for one, train unless they are told
    try:
        return operation(*args, **options)
    except tf.errors.OpError as error:
        why = error.message.strip().splitlines()[0].rpartition("}} ")[2]
        raise ExportError(
            f"layer {name} does not run in TensorFlow on this machine: {why}"
        ) from error


def _take_down(seen: dict[str, Layer], name: str, values: np.ndarray, *, in_first: bool) -> None:
    """Keep what one call of a layer gave; `in_first` where it is the first batch of images."""
    before, peak = seen.get(name), _peak(values)
    if before is None:
        seen[name] = Layer(name, peak, values[:1].astype(np.float32))
    else:
        first = None if in_first else before.first  # it runs twice
        seen[name] = Layer(name, max(peak, before.largest), first)


def _peak(values: np.ndarray) -> float:
    """The largest absolute value; what is not a number counts as infinite, or `max` may lose it."""
    peak = float(np.abs(values).max())
    return math.inf if math.isnan(peak) else peak


def _half(name: str, values: np.ndarray) -> Half:
    flat, largest, subnormal, zero = values.reshape(-1), 0.0, 0, 0
    for start in range(0, flat.size, 1 << 22):
        size = np.abs(flat[start : start + (1 << 22)])
        largest = max(largest, _peak(size))
        zero += int(((size < SMALLEST) & (size > 0)).sum())
        subnormal += int(((size < SMALLEST_NORMAL) & (size > 0)).sum())
    return Half(name, largest, subnormal / flat.size, zero / flat.size, values=flat.size)
