"""What formats are called, in a file that loads nothing: command lines list them in --help."""

NAMES = ("savedmodel", "onnx", "tftrt-fp32", "tftrt-fp16")
DEFAULT = ("savedmodel",)  # what is written when nobody says
# What an artifact is, for whoever opens, judges or runs it. Several formats may be of one kind.
SAVEDMODEL, ONNX, TFTRT = "savedmodel", "onnx", "tftrt"
# What serves an artifact: TensorFlow Serving, that with a GPU and TensorRT, ONNX Runtime in Triton.
TF_SERVING, TF_SERVING_GPU, ONNXRUNTIME = "tf-serving", "tf-serving-gpu", "onnxruntime"
