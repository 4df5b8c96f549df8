"""Run under any backend of Keras: build networks, seed them, and keep their logits and digests.

    KERAS_BACKEND=jax python backend_logits.py FOLDER squeezenet1_1,paddle,64 darknet53,darknet,64

TensorFlow is hidden unless it is the backend, as on a machine that has none.
"""

import hashlib
import os
import sys
from pathlib import Path

if os.environ["KERAS_BACKEND"] != "tensorflow":
    sys.modules["tensorflow"] = None  # importing it raises ImportError

import keras
import numpy as np

from keras_nets import NETS, seed_weights


def main(folder: str, *graphs: str) -> None:
    for graph in graphs:
        name, flavour, side = graph.split(",")
        image = (int(side), int(side), 3)
        model = seed_weights(NETS[name].build(flavour=flavour, image=image, classes=10))
        images = np.random.default_rng(1).standard_normal((3, *image), np.float32)
        np.savez(
            Path(folder) / f"{graph}.npz",
            logits=keras.ops.convert_to_numpy(model(images, training=False)),
            sha256=digest(model),
            layers=[layer.name for layer in model.layers],
            backend=keras.backend.backend(),
        )


def digest(model) -> str:
    summed = hashlib.sha256()
    for layer in model.layers:
        for variable in layer.weights:
            if "float" in str(variable.dtype):
                values = keras.ops.convert_to_numpy(variable)
                summed.update(np.ascontiguousarray(values, "<f4").data)
    return summed.hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
