"""The list of formats, in a file that loads none of them: command lines show it in --help."""

# What each is called, and the object that it is: the one line that a further format needs here.
MADE_IN = {
    "savedmodel": "export.formats.savedmodel:FORMAT",
    "onnx": "export.formats.onnx:FORMAT",
    "onnx-fp16": "export.formats.onnx.fp16:FORMAT",
    "onnx-int8": "export.formats.onnx.int8:FORMAT",
    "onnx-int8-trt": "export.formats.onnx.int8:FOR_TENSORRT",
    "openvino": "export.formats.openvino:FORMAT",
    "litert": "export.formats.litert:FORMAT",
    "litert-fp16": "export.formats.litert:FP16",
    "litert-int8": "export.formats.litert.int8:FORMAT",
    "tftrt-fp32": "export.formats.tftrt:FP32",
    "tftrt-fp16": "export.formats.tftrt:FP16",
}
NAMES = tuple(MADE_IN)
DEFAULT = ("savedmodel",)  # what is written when nobody says

# What an artifact is, for whoever opens, judges or runs it. Several formats may be of one kind.
SAVEDMODEL, ONNX, TFTRT = "savedmodel", "onnx", "tftrt"
OPENVINO, LITERT = "openvino", "litert"
# What serves an artifact: TensorFlow Serving, that with a GPU and TensorRT, ONNX Runtime in Triton.
TF_SERVING, TF_SERVING_GPU, ONNXRUNTIME = "tf-serving", "tf-serving-gpu", "onnxruntime"
