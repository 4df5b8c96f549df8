"""What loading the largest network costs: memory in file sizes, and seconds after imports.

Processor time is measured: waiting for other processes says nothing about the reader.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from framework_files import STATE_DICTS, write_pdparams, write_pth

MEMORY = 2.2  # file sizes
SECONDS = 10.0
MEASURE = """
import json, os, re, sys, time
import keras, tensorflow as tf
import keras_nets.weights.load as load

def held(what):
    status = open("/proc/self/status").read()
    return 1024 * int(re.search(what + r":\\s+(\\d+)", status)[1])

tf.zeros(3)  # TensorFlow starts up
before, start = held("VmRSS"), time.process_time()
model = load.load_weights("vgg19", sys.argv[1])
seconds = time.process_time() - start
print(json.dumps({
    "seconds": seconds,
    "growth": (held("VmHWM") - before) / os.path.getsize(sys.argv[1]),
    "last": float(model.get_layer("logits").bias[-1]),
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pdparams 4", "pdparams 2", "pth", "pth-legacy"])
def test_loading_vgg19_takes_little_more_than_its_weights(tmp_path, kind):
    flavour = "paddle" if kind.startswith("pdparams") else "torchvision"
    tensors = {
        name: np.full(shape, 0.37 + index, np.float32)
        for index, (name, shape) in enumerate(STATE_DICTS[flavour]["vgg19"])
    }
    path = tmp_path / "w"
    if flavour == "paddle":
        write_pdparams(path, tensors, int(kind[-1]))
    else:
        write_pth(path, tensors, legacy=kind == "pth-legacy")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["last"] == tensors[next(reversed(tensors))][-1]
    assert measured["growth"] <= MEMORY
    assert measured["seconds"] <= SECONDS
