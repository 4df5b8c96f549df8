"""The converters of others, as their documentation calls them, on the same models."""

from collections.abc import Callable
from pathlib import Path

from export.formats.names import ONNX, SAVEDMODEL
from export.lazy import need

TF2ONNX, KERAS = "tf2onnx", "Model.export"
OPSET = 17


def _by_tf2onnx(model, out: Path) -> None:
    tf, tf2onnx = need("tensorflow", to="tf2onnx"), need("tf2onnx", to="writing ONNX")
    specs = [
        tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"input_{at}")
        for at, tensor in enumerate(model.inputs)
    ]

    @tf.function(input_signature=specs)
    def network(*inputs):
        return model(_packed(model, inputs), training=False)

    path = str(out / "model.onnx")
    tf2onnx.convert.from_function(network, specs, opset=OPSET, output_path=path)


def _packed(model, inputs):
    import keras

    return keras.tree.pack_sequence_as(model.input, list(inputs))


def _savedmodel_by_keras(model, out: Path) -> None:
    model.export(out / "1", format="tf_saved_model", verbose=False)


def _onnx_by_keras(model, out: Path) -> None:
    import keras

    zeros = [keras.ops.zeros((1, *one.shape[1:]), one.dtype) for one in model.inputs]
    model(_packed(model, zeros))  # it refuses a model that was never called
    model.export(out / "model.onnx", format=ONNX, verbose=False, opset_version=OPSET)


# By the kind of our own format, and the converter's name.
CONVERTERS: dict[tuple[str, str], Callable[[object, Path], None]] = {
    (SAVEDMODEL, KERAS): _savedmodel_by_keras,
    (ONNX, TF2ONNX): _by_tf2onnx,
    (ONNX, KERAS): _onnx_by_keras,
}
