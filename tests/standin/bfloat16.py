"""A format for tests: the traced graph, and beside it an archive of weights in bfloat16."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Tensor
from export.errors import ArtifactError
from export.formats.base import Format, Found, Opened, Order, Written
from export.results import Rule
from export.runtimes import Runtime, Session
from export.signatures import SIGNATURE
from export.skeleton.pour import digest
from export.skeleton.stores import Store

GRAPH, WEIGHTS = "graph.pb", "weights.npz"


class NpzSession(Session):
    def __init__(self, network):
        self._run = network.build(network.graph)

    def predict(self, batch, signature=SIGNATURE):
        return self._run(batch)

    def close(self):
        self._run = None


@dataclass(frozen=True, kw_only=True)
class NpzRuntime(Runtime):
    name: str = "npz"
    title: str = "TensorFlow on the CPU"
    kind: str = "npz"

    def load(self, folder: Path, threads: int | None) -> Session:
        return NpzSession(_read(folder)[2])


@dataclass(frozen=True)
class Bfloat16Store(Store):
    def make(self, values: np.ndarray, start: int) -> np.ndarray:
        return _widened(_rounded(values)).reshape(values.shape)


@dataclass(frozen=True, kw_only=True)
class Bfloat16(Format):
    name: str = "npz-bf16"
    title: str = "weights of 16 bits in an archive of numpy's"
    kind: str = "npz"
    runtimes: tuple = (NpzRuntime(),)
    rule: Rule = Rule(  # 8 bits of a weight are kept, where float16 keeps 11
        kind="fp16", margin=32.0, smallest=1e-3, largest=0.5, fixed=5e-2, source="rounded weights"
    )

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return Bfloat16Store()

    def write(self, order: Order) -> Written:
        skeleton = order.skeleton
        weights = {weight.name: _rounded(weight.read()) for weight in skeleton.weights}
        shapes = {weight.name: weight.shape for weight in skeleton.weights}
        about = {
            "image": skeleton.image,
            "classes": skeleton.contract.classifier.classes,
            "shapes": shapes,
        }
        np.savez(order.folder / WEIGHTS, about=json.dumps(about), **weights)
        (order.folder / GRAPH).write_bytes(skeleton.graph.SerializeToString())
        return Written()

    def open(self, folder: Path) -> Opened:
        about, weights, network = _read(folder)
        return Opened(
            inputs=(Tensor("image", "float32", (None, *about["image"])),),
            outputs=(Tensor("logits", "float32", (None, about["classes"])),),
            weights=lambda: (Found(n, w.shape, digest(w)) for n, w in weights.items()),
            graph={"kind": self.kind, "ops": dict(Counter(n.op for n in network.graph.node))},
        )

    def network(self, folder: Path):
        return _read(folder)[2]


def _rounded(values: np.ndarray) -> np.ndarray:
    """The upper 16 bits of each value, to the nearest, in a row."""
    bits = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _widened(halves: np.ndarray) -> np.ndarray:
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _read(folder: Path) -> tuple:
    """What the archive says of itself, its weights by name, and the network that they make."""
    import tensorflow as tf

    from export.networks.tensorflow import TensorFlowNetwork
    from export.skeleton.tracing import stand_in

    if not (folder / GRAPH).is_file() or not (folder / WEIGHTS).is_file():
        raise ArtifactError(f"{folder} has no {GRAPH} or no {WEIGHTS}; export it again")
    with np.load(folder / WEIGHTS) as archive:
        about = json.loads(str(archive["about"]))
        weights = {
            name: _widened(archive[name]).reshape(shape) for name, shape in about["shapes"].items()
        }
    graph = tf.compat.v1.GraphDef.FromString((folder / GRAPH).read_bytes())
    names = {stand_in(index): name for index, name in enumerate(weights)}
    values = {holder: tf.constant(weights[name]) for holder, name in names.items()}
    ends = {"image": "image:0"}, {"logits": "logits:0"}
    return about, weights, TensorFlowNetwork(graph, *ends, values, names=names)
