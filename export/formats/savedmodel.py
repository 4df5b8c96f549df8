"""SavedModel: what TensorFlow Serving loads, each weight in it once.

Keras' own exporter stores every weight twice and calls its output `output_0`; a plain module with
an explicit signature does neither.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from export.errors import ArtifactError, ExportError
from export.formats.base import Found, Opened, Tensor, Written
from export.formats.structure import structure_of_tensorflow
from export.formats.tidy import tidy
from export.lazy import need
from export.pour import digest
from export.signatures.description import write_description

VERSION = "1"  # TensorFlow Serving's version folder
SIGNATURE, CLASSIFY = "serving_default", "classify"
ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class SavedModel:
    name: str = "savedmodel"
    title: str = "TensorFlow Serving, TensorFlow, Triton"
    precision: str = "fp32"
    tolerance: float = 1e-4
    lane: str | None = None
    classifies: bool = True

    def write(self, skeleton, folder: Path, scratch: Path, options) -> Written:
        tf = need("tensorflow", to="writing a SavedModel")
        from export.skeleton import run_skeleton

        module = tf.Module()
        module.weights = {
            weight.name: tf.Variable(weight.read(), trainable=False, name="w")
            for weight in skeleton.weights
        }
        spec = tf.TensorSpec((None, *skeleton.image), tf.float32, name="image")

        @tf.function(input_signature=[spec], autograph=False)
        def serve(image):
            weights = map(tf.convert_to_tensor, module.weights.values())
            return run_skeleton(skeleton, image, weights)

        module.serve = serve
        signatures = {SIGNATURE: serve}
        if options.labels:
            from export.signatures.classify import classify

            module.classify = classify(
                lambda image: serve(image)["logits"], options.recipe, options.labels
            )
            signatures[CLASSIFY] = module.classify
        try:
            tf.saved_model.save(module, folder / VERSION, signatures=signatures)
        except tf.errors.OpError as error:  # a full disk, for one, has many names in TensorFlow
            why = error.message.rpartition("; ")[2].partition(" [Op")[0]
            raise ExportError(f"{folder} could not be written: {why}") from error
        tidy(folder / VERSION)
        if options.labels:
            write_description(folder / VERSION, options.recipe, options.labels)
        return Written()

    def open(self, folder: Path) -> Opened:
        path = folder / VERSION
        if not (path / "saved_model.pb").is_file():
            raise ArtifactError(f"{folder} has no {VERSION}/saved_model.pb; export it again")
        return _open(path)


def _open(path: Path) -> Opened:
    tf = need("tensorflow", to="running a SavedModel")
    try:
        loaded = tf.saved_model.load(path)
        signature = loaded.signatures[SIGNATURE]
    except Exception as error:  # the loader raises whatever the damage leads to
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(f"{path} does not load: {why}; export it again") from error

    def predict(images: np.ndarray) -> np.ndarray:
        # `loaded` must stay referenced, or its variables are collected under the signature.
        return loaded.signatures[SIGNATURE](image=tf.constant(images))["logits"].numpy()

    def classify(encoded: list[bytes]) -> dict:
        made = loaded.signatures[CLASSIFY](encoded=tf.constant(encoded))
        return {name: tensor.numpy() for name, tensor in made.items()}

    (inputs, named) = signature.structured_input_signature
    return Opened(
        inputs=tuple(_tensor(name, spec) for name, spec in sorted(named.items())),
        outputs=tuple(
            _tensor(name, spec) for name, spec in sorted(signature.structured_outputs.items())
        ),
        weights=lambda: chain(_weights(tf, path), _constants(tf, signature.graph.as_graph_def())),
        predict=predict,
        graph=_facts(signature.graph.as_graph_def()),
        ran="TensorFlow on the CPU",
        classify=classify if CLASSIFY in loaded.signatures else None,
    )


def _tensor(name: str, spec) -> Tensor:
    return Tensor(name, spec.dtype.name, tuple(spec.shape.as_list()))


def _facts(graph) -> dict:
    ops = Counter(node.op for node in graph.node)
    for function in graph.library.function:
        ops.update(node.op for node in function.node_def)
    return {"ops": dict(ops), "structure": structure_of_tensorflow(graph)}


def _constants(tf, graph) -> Iterator[Found]:
    """Every float constant that is no scalar: one may stand where a variable should be read."""
    functions = (node for function in graph.library.function for node in function.node_def)
    for node in chain(graph.node, functions):
        if node.op == "Const" and node.attr["dtype"].type == 1:
            values = tf.make_ndarray(node.attr["value"].tensor)
            if values.ndim:
                yield Found(node.name, values.shape, digest(values))


def _weights(tf, path: Path) -> Iterator[Found]:
    """Every float variable in the checkpoint, read from the file."""
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    for key, shape in sorted(reader.get_variable_to_shape_map().items()):
        if reader.get_variable_to_dtype_map()[key] == tf.float32:
            name = key.removeprefix("weights/").removesuffix(ATTRIBUTE).replace(".S", "/")
            yield Found(name, tuple(shape), digest(reader.get_tensor(key)))
