"""The default gates of other exporters, asked to find the same bugs.

Each is run as it is by default: on softmax outputs, on a network as Keras initialises it, on random
images, with its own rule and bounds. Rules are stated anew here, with the source of each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from export.gate.mutations import MUTATIONS, Subject
from export.networks.base import around
from export.networks.noise import skeleton_network
from export.skeleton.fold import norms
from export.skeleton.tracing import trace

IMAGES = 2


@dataclass(frozen=True)
class Peer:
    """A rule by which an exporter calls two outputs equal."""

    name: str
    rule: str
    source: str
    equal: Callable[[np.ndarray, np.ndarray], bool]


def _either(wanted: np.ndarray, got: np.ndarray) -> bool:
    """An element fails where it is beyond both tolerances."""
    off = np.abs(wanted.astype(np.float64) - got)
    return bool(((off <= 1e-5) | (off <= 1e-5 * np.abs(got))).all())


PEERS = (
    Peer(
        "optimum",
        "numpy.allclose, atol 1e-5, and its rtol of 1e-5",
        "huggingface/optimum-onnx, optimum/exporters/onnx/convert.py and base.py",
        lambda wanted, got: bool(np.allclose(wanted, got, atol=1e-5)),
    ),
    Peer(
        "Polygraphy",
        "element by element, atol 1e-5 or rtol 1e-5",
        "NVIDIA/TensorRT, tools/Polygraphy/polygraphy/comparator/compare.py",
        _either,
    ),
    Peer(
        "onnx2tf",
        "atol 1e-4, rtol 0",
        "PINTO0309/onnx2tf, onnx2tf/onnx2tf.py: the defaults of -cotoa and -cotor",
        lambda wanted, got: bool(np.allclose(wanted, got, atol=1e-4, rtol=0)),
    ),
    Peer(
        "Paddle TIPC",
        "numpy.testing.assert_allclose, atol 1e-3, rtol 1e-3",
        "PaddlePaddle/PaddleOCR, test_tipc/compare_results.py",
        lambda wanted, got: bool(np.allclose(got, wanted, atol=1e-3, rtol=1e-3)),
    ),
)


def ask_peers(model) -> list[dict]:
    """Who notices each mutation of `model`, which is as Keras initialises it.

    A record says what the bug changes of a probability at most, or None where it sits nowhere.
    """
    skeleton = trace(model)
    network = skeleton_network(skeleton)
    images = np.random.default_rng(0).random((IMAGES, *skeleton.image), np.float32)
    own, (given,) = network.build(network.graph), network.inputs
    batch = {given: images}
    held = {name: name for name in network.names.values()}
    subject = Subject(network, skeleton.contract, own(batch), held, norms=tuple(norms(model)))
    return [_asked(mutation, subject, own, batch) for mutation in MUTATIONS]


def _asked(mutation, subject: Subject, own, batch) -> dict:
    """The first edit that changes the logits, as in the self-test."""
    (before,) = subject.outputs.values()
    wanted, record = softmax(before), {"name": mutation.name, "change": None, "noticed": []}
    for edit in mutation.edits_of(subject):
        graph = subject.network.changed(edit)
        built = subject.network.build(graph, edit.weights) if edit.inside else own
        (logits,) = around(built, edit)(batch).values()
        got = softmax(logits)
        record["change"] = float(np.abs(wanted - got).max())
        record["noticed"] = [peer.name for peer in PEERS if not peer.equal(wanted, got)]
        if (logits != before).any():
            return record
    return {**record, "change": None}


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
