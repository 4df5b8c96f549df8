"""What formats are called, in a file that loads nothing: command lines list them in --help."""

NAMES = ("savedmodel", "onnx", "tftrt-fp32", "tftrt-fp16")
# What an artifact is, for whoever opens, judges or runs it. Several formats may be of one kind.
SAVEDMODEL, ONNX, TFTRT = "savedmodel", "onnx", "tftrt"
