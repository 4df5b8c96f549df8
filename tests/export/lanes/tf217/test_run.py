"""The script that runs engines: what can be told of it without a GPU."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from export import child
from export.lanes import ask_in_lane, make
from export.process import ask_script, child_of_script

SCRIPT = Path(__file__).parents[4] / "export" / "lanes" / "tf217" / "run.py"
FALLBACK = "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION"


@pytest.fixture(scope="module")
def script():
    before = os.environ.get(FALLBACK)
    spec = importlib.util.spec_from_file_location("run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["child"] = child  # as in a lane
    spec.loader.exec_module(module)
    del sys.modules["child"]
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
    answer, arrays = ask_in_lane("tf217", "run.py", {}, {}, tmp_path)
    assert (set(answer), answer["error"], arrays) == ({"missing", "error"}, "", {})
    assert "TensorRT 8.6 is not installed" in answer["missing"] or "no GPU" in answer["missing"]


# Two engines in a cache, as SerializeTRTResource writes it, and a SavedModel without an engine: the
# whole way of the script but for the engine itself.
WITH_CACHE = f"""\
import runpy
script = runpy.run_path({str(SCRIPT)!r})

def work(job, arrays):
    import tensorflow as tf
    message = script["_engine_instance"]()
    with tf.io.TFRecordWriter(job["cache"]) as file:
        for size in (8, 1):
            engine = message(serialized_engine=b"plan")
            shape = engine.input_shapes.add()
            for length in (size, 32, 32, 3):
                shape.dim.add(size=length)
            file.write(engine.SerializeToString())
    for answer, more in script["run_all"](job, arrays):
        yield {{**answer, "cached": script["batches_of"](job["cache"])}}, more
"""
WITHOUT_GPU = f"""\
import os, runpy
os.environ["CUDA_VISIBLE_DEVICES"] = ""
work = runpy.run_path({str(SCRIPT)!r})["run_all"]
"""


def ask(body, job, images, tmp_path):
    (tmp_path / "script.py").write_text(body)
    python, given = make("tf217").python, {"image": images}
    return ask_script(python, tmp_path / "script.py", job, given, tmp_path)


@pytest.mark.lane
def test_the_script_runs_each_batch_size_and_reads_the_cache(written, toy, tmp_path):
    images = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype(np.float32)
    model, cache = written("plain", "savedmodel") / "1", tmp_path / "cache"
    job = {"model": str(model), "sizes": [4, 1], "cache": str(cache)}
    answer, arrays = ask(WITH_CACHE, job, images, tmp_path)
    assert (answer["error"], answer["cached"]) == ("", [1, 8])
    assert [(run["size"], run["engines"]) for run in answer["runs"]] == [(4, {}), (1, {})]
    assert not {"uncounted", "missing"} & set(answer)
    wanted = toy("plain").predict(images, verbose=0)
    for size, rows in ((4, [0, 1, 2, 0]), (1, [0, 1, 2])):
        np.testing.assert_allclose(arrays[f"{size}/logits"], wanted[rows], atol=1e-4)


@pytest.mark.lane
def test_an_engine_that_cannot_run_fails_in_tensorflows_own_words(written, tmp_path):
    job = {"model": str(written("plain", "tftrt-fp16") / "1"), "sizes": [1]}
    answer, _ = ask(WITHOUT_GPU, job, np.zeros((1, 32, 32, 3), np.float32), tmp_path)
    assert (answer["runs"], answer["at"]) == ([], 1)
    assert answer["error"].startswith("InvalidArgumentError: ")
    assert "TRTEngineOp" in answer["error"], "not the first line of a Python trace"


# Without the look for a GPU: the same batch twice, in one process.
TWICE = f"""\
import runpy
script = runpy.run_path({str(SCRIPT)!r})
script["work"].__globals__["missing"] = lambda: ""
loads = []
served = script["Served"]
script["work"].__globals__["Served"] = lambda *given: loads.append(given) or served(*given)

def work(job, arrays):
    for answer, more in script["work"](job, arrays):
        yield {{**answer, "loads": len(loads)}}, more
"""


@pytest.mark.lane
def test_a_batch_as_it_stands_is_run_by_what_was_loaded_before(written, toy, tmp_path):
    (tmp_path / "script.py").write_text(TWICE)
    job = {"model": str(written("plain", "savedmodel") / "1"), "threads": 1}
    images = np.random.default_rng(1).standard_normal((3, 32, 32, 3)).astype(np.float32)
    wanted = toy("plain").predict(images, verbose=0)
    with child_of_script(make("tf217").python, tmp_path / "script.py", tmp_path) as child:
        for rows in (3, 1):
            answer, arrays = child.ask(job, {"image": images[:rows]})
            assert answer == {"error": "", "loads": 1}
            np.testing.assert_allclose(arrays["logits"], wanted[:rows], atol=1e-4)
