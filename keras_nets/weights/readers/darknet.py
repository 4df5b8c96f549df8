"""pjreddie's `.weights` of darknet53: a header, then float32 values without any names.

Per convolution: beta, gamma, mean, variance, kernel; then the classifier, a 1x1 convolution: bias,
kernel. A file may be cut before the classifier. Source: parser.c, load_convolutional_weights.
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

from keras_nets.catalog import NETS
from keras_nets.errors import WeightsError
from keras_nets.weights.tensor import Tensor, WeightsFile, Window

KIND = "darknet"
STAGES = NETS["darknet53"].stages
FEATURES = STAGES[-1][0]
NORM = ("biases", "scales", "rolling_mean", "rolling_variance")


def matches(head: bytes, size: int) -> bool:
    """Return whether the version is plausible; a random file may pass, and its size then fails."""
    if len(head) < 20:
        return False
    major, minor, revision = struct.unpack_from("<3i", head)
    return 0 <= major < 1000 and 0 <= minor < 1000 and 0 <= revision < 1000 and size % 4 == 0


def read(file: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List the tensors of an open file of `size` bytes, all of it accounted for."""
    major, minor, _ = struct.unpack("<3i", file.read(12))
    # Then the count of images seen, which grew to 64 bits in version 0.2.
    start = offset = 20 if major * 10 + minor >= 2 else 16
    tensors = {}
    backbone = sum(math.prod(shape) for _, shape in _backbone())
    classes, left_over = divmod((size - start) // 4 - backbone, FEATURES + 1)
    if classes < 0 or left_over:
        raise WeightsError(
            f"it holds {(size - start) // 4:_} values where darknet53 has {backbone:_}, and"
            f" {FEATURES + 1:_} more for each class; it is of another network or cut off"
        )
    head = [("logits.biases", (classes,)), ("logits.weights", (classes, FEATURES, 1, 1))]
    for name, shape in [*_backbone(), *(head if classes else ())]:
        length = 4 * math.prod(shape)
        tensors[name] = Tensor(
            name=name, shape=shape, dtype="float32", open=_opener(file, offset, length)
        )
        offset += length
    return WeightsFile(path, KIND, tensors)


def _opener(file: BinaryIO, offset: int, length: int):
    return lambda: Window(file, offset, length)


def _backbone():
    """(name, shape) of every tensor before the classifier, in the file's order."""
    for layer, inputs, outputs, size in _convs():
        for name in NORM:
            yield f"{layer}.{name}", (outputs,)
        yield f"{layer}.weights", (outputs, inputs, size, size)


def _convs():
    """(our layer, channels in, channels out, side of the kernel), in the file's order."""
    width = 32
    yield "conv1", 3, width, 3
    for stage, (outputs, blocks) in enumerate(STAGES, start=1):
        yield f"stage{stage}_down", width, outputs, 3
        width = outputs
        for block in range(1, blocks + 1):
            yield f"stage{stage}_{block}_conv1", width, width // 2, 1
            yield f"stage{stage}_{block}_conv2", width // 2, width, 3
