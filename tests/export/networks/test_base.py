"""Artifacts opened for changes: they are the artifact, and each change is the bug it stands for."""

import numpy as np
import pytest

from export.formats import find_format
from export.networks.base import (
    BYPASS,
    CEIL,
    CONV,
    DENSE,
    HALVE,
    JOIN,
    PAD,
    POOL,
    RELU,
    SHIFT,
    ZERO,
    Change,
    Edit,
)
from export.observe.probes import probes

FORMATS = [
    "savedmodel",
    "onnx",
    "openvino",
    "litert",
    pytest.param("tftrt-fp16", marks=pytest.mark.lane),
]
IMAGES = {"image": probes((32, 32, 3), seed=4, count=2)}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["plain", "odd"])
def test_an_unchanged_network_is_the_artifact(skeleton, written, network, logits_of, name, format):
    images = probes(skeleton(name).image, count=2)
    own = logits_of(format, written(name, format), images)
    opened = network(name, format)
    made = opened.build(opened.graph)({"image": images})
    np.testing.assert_allclose(made["logits"], own, rtol=0, atol=2e-6)


@pytest.mark.parametrize("format", FORMATS)
def test_weights_are_read_as_keras_keeps_them(skeleton, written, network, format):
    """By the names that the artifact's own list of weights has."""
    opened = network("plain", format)
    found = {w.name: w.shape for w in find_format(format).open(written("plain", format)).weights()}
    assert {name: opened.read(name).shape for name in found} == found
    kernels = [part.kernel for part in opened.parts if part.kind in (CONV, DENSE)]
    wanted = [weight.read() for weight in skeleton("plain").weights if len(weight.shape) > 1]
    for name, values in zip(kernels, wanted, strict=True):
        right = find_format(format).store(values).rounded(values)
        np.testing.assert_array_equal(opened.read(name), right)


@pytest.mark.parametrize("format", FORMATS)
def test_parts_are_in_running_order(network, format):
    kinds = [part.kind for part in network("plain", format).parts if part.kind != PAD]
    assert kinds == [CONV, RELU, CONV, RELU, JOIN, CONV, RELU, POOL, DENSE, RELU, DENSE]


def changed(network, verb: str, kind: str, which: int = -1) -> np.ndarray:
    fits = (lambda p: p.padded) if verb == SHIFT else (lambda p: p.kind == kind)
    part = list(filter(fits, network.parts))[which]
    graph = network.changed(Edit(changes=(Change(verb, part.node),)))
    return network.build(graph)(IMAGES)["logits"]


@pytest.mark.parametrize("format", ["onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)])
@pytest.mark.parametrize(
    ("verb", "kind", "which"),
    [(BYPASS, RELU, 0), (ZERO, JOIN, 0), (HALVE, CONV, 1), (SHIFT, CONV, 0), (CEIL, POOL, 0)],
)
def test_a_change_is_the_same_in_every_runtime(network, verb, kind, which, format):
    """TensorFlow pads with operations where ONNX has attributes; the bug is one."""
    own, other = network("plain", "savedmodel"), network("plain", format)
    np.testing.assert_allclose(
        changed(own, verb, kind, which), changed(other, verb, kind, which), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("verb", "kind"), [(BYPASS, RELU), (ZERO, JOIN), (HALVE, CONV), (SHIFT, CONV)]
)
def test_a_change_changes_the_outputs_and_not_the_network(network, verb, kind, format):
    opened = network("plain", format)
    before = opened.build(opened.graph)(IMAGES)["logits"]
    assert np.abs(changed(opened, verb, kind, 0) - before).max() > 1e-3
    np.testing.assert_array_equal(opened.build(opened.graph)(IMAGES)["logits"], before)


def reference_of(model, images):
    return np.asarray(model(images, training=False))


def pooled(rounding: str):
    """A network that pools 9 pixels by 2 and rounds 4.5 down, or up."""
    import keras
    from keras import layers

    x = inputs = keras.Input((9, 9, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(2, padding="same" if rounding == "up" else "valid", name="pool1")(x)
    x = layers.GlobalAveragePooling2D(name="pool2")(x)
    return keras.Model(inputs, layers.Dense(5, name="logits")(x), name="pooled")


@pytest.mark.parametrize("format", FORMATS)
def test_a_pool_that_divides_evenly_is_not_ragged(network, format):
    (pool,) = (part for part in network("plain", format).parts if part.kind == POOL)
    assert not pool.ragged


@pytest.mark.parametrize("format", ["savedmodel", "onnx", "openvino", "litert"])
def test_rounding_up_is_what_keras_computes_then(tmp_path, format):
    from export.formats import open_network
    from export.formats.base import Order
    from export.skeleton.tracing import trace
    from keras_nets.weights.seeded import seed_weights

    down, up = seed_weights(pooled("down")), seed_weights(pooled("up"))
    find_format(format).write(Order(skeleton=trace(down), folder=tmp_path, scratch=tmp_path))
    images = probes((9, 9, 3), count=2)
    opened = open_network(format, tmp_path)
    (part,) = (part for part in opened.parts if part.kind == POOL)
    assert part.ragged
    got = opened.build(opened.changed(Edit(changes=(Change(CEIL, part.node),))))({"image": images})[
        "logits"
    ]
    halves = format == "openvino"  # in which it keeps weights
    wanted, atol = reference_of(up, images), 2e-3 if halves else 1e-5
    np.testing.assert_allclose(got, wanted, rtol=0, atol=atol)
    assert np.abs(got - reference_of(down, images)).max() > 10 * atol


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_a_weight_is_replaced_in_keras_layout(network, format):
    """Doubling the last layer doubles the logits."""
    opened = network("plain", format)
    last = [part for part in opened.parts if part.kind == DENSE][-1]
    weights = {name: 2 * opened.read(name) for name in (last.kernel, last.bias)}
    once = opened.build(opened.graph)(IMAGES)["logits"]
    twice = opened.build(opened.graph, weights)(IMAGES)["logits"]
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("format", FORMATS)
def test_tensors_are_fetched(network, format):
    opened = network("plain", format)
    relu = next(part for part in opened.parts if part.kind == RELU)
    logits = opened.outputs["logits"]
    found = opened.fetch([relu.output, logits], IMAGES)
    assert relu.output in opened.tensors()
    np.testing.assert_array_equal(found[logits], opened.build(opened.graph)(IMAGES)["logits"])
    assert len(found[relu.output]) == 2


def test_an_artifact_that_is_none_is_an_error(tmp_path):
    from export.errors import ArtifactError
    from export.formats import ALL, open_network

    for format in [format.name for format in ALL]:
        with pytest.raises(ArtifactError, match="does not open"):
            open_network(format, tmp_path)
