"""The script that runs engines: what can be told of it without a GPU."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.lanes import make, run_in_lane

SCRIPT = Path(__file__).parents[3] / "export" / "lanes" / "tftrt_run.py"
FALLBACK = "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION"


@pytest.fixture(scope="module")
def script():
    before = os.environ.get(FALLBACK)
    spec = importlib.util.spec_from_file_location("tftrt_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert os.environ[FALLBACK] == "False", "TensorFlow would fall back without a word"
    os.environ.pop(FALLBACK) if before is None else os.environ.update({FALLBACK: before})
    return module


def test_images_are_run_in_whole_batches_the_last_filled_up(script):
    images = np.arange(5).reshape(5, 1)
    assert script.in_batches(images, 2).reshape(-1).tolist() == [0, 1, 2, 3, 4, 0]
    assert script.in_batches(images, 12).reshape(-1).tolist() == [0, 1, 2, 3, 4] * 2 + [0, 1]
    assert script.in_batches(images, 5).shape == (1, 5, 1)


@pytest.mark.parametrize(
    ("declared", "fed"),
    [
        ([[-1, 8, 8, 3]], [[4, 8, 8, 3]]),
        ([[4, 8, 8, 3]], [[4, 8, 8, 3]]),
        ([], [[4, 8, 8, 3]]),
        ([[-1, 8], [-1, -1]], [[4, 8], [4, 9]]),
    ],
)
def test_shapes_that_fit_those_of_the_node_are_run(script, declared, fed):
    assert script.misfit(declared, fed) == ""


@pytest.mark.parametrize(
    ("declared", "fed"),
    [
        ([[-1, 9, 9, 3]], [[4, 8, 8, 3]]),
        ([[1, 8, 8, 3]], [[4, 8, 8, 3]]),
        ([[-1, 8, 8]], [[4, 8, 8, 3]]),
        ([None], [[4, 8, 8, 3]]),
        ([[-1, 8], [-1, 8]], [[4, 8]]),
        ([[-1, 8], [-1, 8]], [[4, 8], [5, 8]]),
        ([[]], [[]]),
        ([], []),
    ],
)
def test_shapes_that_do_not_fit_are_refused(script, declared, fed):
    assert script.misfit(declared, fed)


@pytest.mark.lane
def test_without_tensorrt_the_script_says_so_and_runs_nothing(tmp_path):
    answer = tmp_path / "answer.json"
    run_in_lane("tf217", "tftrt_run.py", {"answer": str(answer)}, tmp_path)
    told = json.loads(answer.read_text())
    assert list(told) == ["missing"]
    assert "TensorRT 8.6 is not installed" in told["missing"] or "no GPU" in told["missing"]


# Two engines in a cache, as SerializeTRTResource writes it, and a SavedModel without an engine: the
# whole way of the script but for the engine itself.
IN_LANE = """\
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
job = json.loads(sys.argv[2])
import tensorflow as tf
message = script["_engine_instance"]()
with tf.io.TFRecordWriter(job["cache"]) as file:
    for size in (8, 1):
        engine = message(serialized_engine=b"plan")
        shape = engine.input_shapes.add()
        for length in (size, 32, 32, 3):
            shape.dim.add(size=length)
        file.write(engine.SerializeToString())
print(json.dumps([script["batches_of"](job["cache"]), script["serve"](job)]))
"""


@pytest.mark.lane
def test_the_script_runs_each_batch_size_and_reads_the_cache(written, toy, tmp_path):
    images = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    job = {
        "model": str(written("plain", "savedmodel") / "1"),
        "images": str(tmp_path / "images.npy"),
        "sizes": [4, 1],
        "logits": str(tmp_path),
        "answer": str(tmp_path / "answer.json"),
        "cache": str(tmp_path / "cache"),
    }
    command = [make("tf217").python, "-c", IN_LANE, SCRIPT, json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    batches, answer = json.loads(done.stdout)
    assert batches == [1, 8]
    assert answer == json.loads((tmp_path / "answer.json").read_text())
    assert [(run["size"], run["engines"]) for run in answer["runs"]] == [(4, {}), (1, {})]
    assert not {"failed", "uncounted", "missing"} & set(answer)
    wanted = toy("plain").predict(images, verbose=0)
    for size, rows in ((4, [0, 1, 2, 0]), (1, [0, 1, 2])):
        np.testing.assert_allclose(np.load(tmp_path / f"batch_{size}.npy"), wanted[rows], atol=1e-4)


@pytest.mark.lane
def test_an_engine_that_cannot_run_fails_in_tensorflows_own_words(written, tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((1, 32, 32, 3), np.float32))
    job = {
        "model": str(written("plain", "tftrt-fp16") / "1"),
        "images": str(tmp_path / "images.npy"),
        "sizes": [1],
        "logits": str(tmp_path),
        "answer": str(tmp_path / "answer.json"),
    }
    code = "import json, runpy, sys\nrunpy.run_path(sys.argv[1])['serve'](json.loads(sys.argv[2]))"
    command = [make("tf217").python, "-c", code, SCRIPT, json.dumps(job)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["runs"], answer["at"]) == ([], 1)
    assert answer["failed"].startswith("InvalidArgumentError: ")
    assert "TRTEngineOp" in answer["failed"], "not the first line of a Python trace"
