"""KServe's own server over a model of numpy, which answers in the columns that it was asked in.

python kserve_model.py PORT KERNEL.npy
"""

import sys

import kserve
import numpy as np


class Toy(kserve.Model):
    def __init__(self, kernel: np.ndarray):
        super().__init__("toy")
        self.kernel, self.ready = kernel, True

    def predict(self, payload, headers=None, response_headers=None):
        images = np.asarray(payload["inputs"]["image"], np.float32)
        return {"outputs": (images.reshape(len(images), -1) @ self.kernel).tolist()}


if __name__ == "__main__":
    kserve.logging.configure_logging()
    server = kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1)
    server.start([Toy(np.load(sys.argv[2]))])
