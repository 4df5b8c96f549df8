"""SavedModel: what TensorFlow Serving loads, each weight in it once.

Keras' own exporter stores every weight twice and calls its output `output_0`; a plain module with
an explicit signature does neither.
"""

from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError
from export.formats.base import Format, Opened, Order, Written
from export.formats.layout import VERSION
from export.formats.names import SAVEDMODEL, TF_SERVING
from export.formats.operations import beyond_computing
from export.formats.savedmodel.reading import open_savedmodel
from export.formats.savedmodel.tidy import tidy
from export.lazy import need
from export.networks.base import Network
from export.signatures import CLASSIFY, SIGNATURE
from export.signatures.description import write_description


@dataclass(frozen=True, kw_only=True)
class SavedModel(Format):
    name: str = "savedmodel"
    title: str = "TensorFlow Serving, TensorFlow, Triton"
    kind: str = SAVEDMODEL
    server: str = TF_SERVING
    classifies: bool = True

    def write(self, order: Order) -> Written:
        skeleton, folder = order.skeleton, order.folder
        tf = need("tensorflow", to="writing a SavedModel")
        from export.skeleton.tracing import as_tensor, run_skeleton

        module = tf.Module()
        module.weights = {
            weight.name: tf.Variable(as_tensor(weight), trainable=False, name="w")
            for weight in skeleton.weights
        }
        specs = [
            tf.TensorSpec((None, *tensor.sizes), tensor.dtype, name=tensor.name)
            for tensor in skeleton.contract.inputs
        ]

        @tf.function(input_signature=specs, autograph=False)
        def serve(*inputs):
            weights = map(tf.convert_to_tensor, module.weights.values())
            return run_skeleton(skeleton, inputs, weights)

        module.serve = serve
        signatures = {SIGNATURE: serve}
        if order.classify:
            from export.signatures.classify import classify, only_logits

            module.classify = classify(
                lambda image: only_logits(serve(image)),
                order.classify.recipe,
                order.classify.labels,
            )
            signatures[CLASSIFY] = module.classify
        try:
            tf.saved_model.save(module, folder / VERSION, signatures=signatures)
        except tf.errors.OpError as error:  # a full disk, for one, has many names in TensorFlow
            why = error.message.rpartition("; ")[2].partition(" [Op")[0]
            raise ExportError(f"{folder} could not be written: {why}") from error
        tidy(folder / VERSION)
        if order.classify:
            write_description(folder / VERSION, order.classify.recipe, order.classify.labels)
        return Written()

    def limit(self, skeleton) -> str:
        return beyond_computing(skeleton.graph)

    def open(self, folder: Path) -> Opened:
        return open_savedmodel(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.savedmodel.network import open_network

        return open_network(folder)


FORMAT = SavedModel()
