"""Run a TF-TRT SavedModel on a GPU: a script for a lane, which imports nothing of ours.

    python tftrt_run.py job.json

The job names the `model` (a SavedModel folder), the `images` (.npy) and the `logits` (.npy) to
write. It fails, with the reason on its last line, where there is no GPU or no TensorRT library,
for then TensorFlow falls back on the native segment without a word.
"""

import ctypes
import json
import pathlib
import sys


def main(job):
    try:
        ctypes.CDLL("libnvinfer.so.8")
    except OSError as error:
        sys.exit(f"TensorRT 8.6 is not installed: {error}")
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.compiler.tensorrt import trt_convert  # noqa: F401 (registers the engine)

    if not tf.config.list_physical_devices("GPU"):
        sys.exit("TensorFlow 2.17 sees no GPU; its CUDA 12.3 libraries may be missing")
    loaded = tf.saved_model.load(job["model"])
    signature = loaded.signatures["serving_default"]
    images = np.load(job["images"])
    logits = signature(image=tf.constant(images))["logits"].numpy()
    np.save(job["logits"], logits)


if __name__ == "__main__":
    main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
