"""Every runtime opens its kind of artifact, answers by names, and frees what it loaded."""

import gc
import sys
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from export import runtimes
from export.errors import ArtifactError, ExportError
from export.formats import ALL, find_format
from export.formats.names import LITERT, ONNX, OPENVINO, SAVEDMODEL, TFTRT
from export.observe.probes import probes
from export.process import ask_script
from export.runtimes import RUNTIMES, engine_runtime, parity_runtime, runtimes_of, tensorrt
from export.runtimes.base import Runtime, Session
from export.runtimes.onnx_runtime import OnnxRuntime
from export.runtimes.tensorflow import TensorFlow, TensorFlowInPython

IMAGES = probes((32, 32, 3), count=3)
TFTRT_FORMAT = pytest.param("tftrt-fp16", marks=pytest.mark.lane)
FORMATS = ["savedmodel", "onnx", "openvino", "litert", TFTRT_FORMAT]


@pytest.mark.parametrize("format", FORMATS)
def test_a_batch_goes_in_and_out_by_the_names_of_tensors(written, toy, format):
    with parity_runtime(find_format(format)).open(written("plain", format)) as session:
        made = session.predict({"image": IMAGES})
        assert list(made) == ["logits"]
        wanted = toy("plain").predict(IMAGES, verbose=0)
        off = 1e-2 if find_format(format).rounds else 1e-5
        np.testing.assert_allclose(made["logits"], wanted, rtol=0, atol=off)
        for batch in ({}, {"picture": IMAGES}, {"image": IMAGES, "more": IMAGES}):
            with pytest.raises(ValueError, match=r"the inputs are \['image'\]. Received: \["):
                session.predict(batch)


@pytest.mark.parametrize("format", FORMATS)
def test_a_closed_session_answers_no_more(written, format):
    with parity_runtime(find_format(format)).open(written("plain", format)) as session:
        session.predict({"image": IMAGES})
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        session.predict({"image": IMAGES})


@pytest.mark.parametrize("format", ["savedmodel", TFTRT_FORMAT])
def test_a_closed_session_has_let_go_of_the_network(written, format):
    with parity_runtime(find_format(format)).open(written("plain", format)) as session:
        session.predict({"image": IMAGES})
        alive = weakref.ref(getattr(session, "_session", None) or session._run)
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_no_artifact_is_refused_by_every_runtime(tmp_path, format):
    with pytest.raises(ArtifactError, match="export it again"):
        parity_runtime(find_format(format)).open(tmp_path)


def test_loaded_in_python_a_savedmodel_gives_the_same(written):
    folder = written("plain", "savedmodel")
    assert TensorFlow().again == TensorFlowInPython()
    with TensorFlow().open(folder) as session:
        first = session.predict({"image": IMAGES})
    with TensorFlowInPython().open(folder) as session:
        again = session.predict({"image": IMAGES})
    assert first.keys() == again.keys()
    np.testing.assert_allclose(again["logits"], first["logits"], rtol=0, atol=1e-6)


def test_as_many_threads_are_used_as_are_asked_for(written):
    with OnnxRuntime().open(written("plain", "onnx"), threads=3) as session:
        assert session._session.get_session_options().intra_op_num_threads == 3
    with pytest.raises(ValueError, match="at least 1 thread. Received: 0"):
        OnnxRuntime().open(written("plain", "onnx"), threads=0)


# In a process of its own, for TensorFlow settles its threads once.
THREADS = """
import sys
from pathlib import Path

def work(job, arrays):
    sys.path.insert(0, job["root"])
    import tensorflow as tf
    from export.errors import ExportError
    from export.runtimes.tensorflow import TensorFlow
    folder = Path(job["folder"])
    with TensorFlow().open(folder, threads=3) as session:
        session.predict(arrays)
    with TensorFlow().open(folder, threads=3) as session:
        session.predict(arrays)
    try:
        TensorFlow().open(folder, threads=2)
    except ExportError as error:
        refused = str(error)
    return {"threads": tf.config.threading.get_intra_op_parallelism_threads(), "no": refused}, {}
"""


def test_tensorflow_has_one_number_of_threads_in_a_process(written, tmp_path):
    (tmp_path / "threads.py").write_text(THREADS)
    root, folder = Path(__file__).parents[3], written("plain", "savedmodel")
    job = {"root": str(root), "folder": str(folder)}
    python, script = Path(sys.executable), tmp_path / "threads.py"
    answer, _ = ask_script(python, script, job, {"image": IMAGES}, tmp_path)
    assert answer["error"] == ""
    assert answer["threads"] == 3
    assert answer["no"].startswith("TensorFlow runs in this process already, and not by 2 threads")


def test_an_engine_says_why_it_does_not_run_here(monkeypatch, tmp_path):
    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path / "none")
    runtime = engine_runtime(find_format("tftrt-fp16"))
    assert runtime.device == "gpu"
    assert runtime.why_not() == "needs a GPU; run tools/verify.py on a machine that has one"
    with pytest.raises(ExportError, match="TensorRT .* does not run here: needs a GPU; run"):
        runtime.open(tmp_path)


@pytest.fixture
def in_lane(monkeypatch, tmp_path):
    """A function (ask) -> the jobs that come; instead of a lane, `ask` answers them."""

    def use(ask):
        jobs = []

        @contextmanager
        def child_in_lane(lane, script, scratch, *, about):
            assert (lane, script, about) == ("tf217", "run.py", "engine")
            assert scratch.is_dir()
            yield SimpleNamespace(ask=lambda job, arrays: jobs.append(job) or ask(arrays))
            jobs.append("gone")

        monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path)
        monkeypatch.setattr(tensorrt, "child_in_lane", child_in_lane)
        return jobs

    return use


def test_one_process_keeps_an_engine_for_as_many_batches_as_are_asked(in_lane, tmp_path):
    jobs = in_lane(lambda arrays: ({"error": ""}, {"logits": arrays["image"][:, 0, 0]}))
    with tensorrt.TensorRt().open(tmp_path, threads=2) as session:
        for batch in (IMAGES, IMAGES[:1]):
            made = session.predict({"image": batch})
            np.testing.assert_array_equal(made["logits"], batch[:, 0, 0])
    job = {"model": str(tmp_path / "1"), "threads": 2}
    assert jobs == [job, job, "gone"]


@pytest.mark.parametrize(
    "answer", [{"missing": "no TensorRT", "error": ""}, {"error": "no TensorRT"}]
)
def test_an_engine_that_does_not_run_raises_what_the_lane_said(in_lane, tmp_path, answer):
    in_lane(lambda _: (answer, {}))
    with tensorrt.TensorRt().open(tmp_path) as session, pytest.raises(ExportError) as raised:
        session.predict({"image": IMAGES})
    assert str(raised.value) == "the engine did not run: no TensorRT"


def test_every_format_has_a_runtime_and_every_runtime_a_name_of_its_own():
    for format in ALL:
        assert parity_runtime(format).device == "cpu"
        assert bool(engine_runtime(format)) == bool(format.engine_rule)
    assert len({runtime.name for runtime in RUNTIMES}) == len(RUNTIMES)
    assert {runtime.kind for runtime in RUNTIMES} == {SAVEDMODEL, ONNX, OPENVINO, LITERT, TFTRT}


@dataclass(frozen=True, kw_only=True)
class Mean(Runtime):
    """A runtime of a file of its own: it takes the mean of everything."""

    name: str = "mean"
    title: str = "the mean"
    kind: str = ONNX

    def load(self, folder, threads):
        return Means()


class Means(Session):
    def predict(self, batch, signature="serving_default"):
        return {"logits": batch["image"].mean(axis=(1, 2))}

    def close(self):
        pass


def test_a_new_runtime_is_one_file_and_one_line(monkeypatch, look, written):
    monkeypatch.setattr(runtimes, "RUNTIMES", (Mean(), *RUNTIMES))
    names = [runtime.name for runtime in runtimes_of(find_format("onnx"))]
    assert names[:2] == ["mean", "onnxruntime"]
    seen = look("onnx", written("plain", "onnx"), IMAGES)
    assert (seen.ran, seen.error) == ("the mean", "")
    np.testing.assert_array_equal(seen.outputs["logits"], IMAGES.mean(axis=(1, 2)))


def test_a_kind_that_nothing_runs_is_told_with_the_place_to_add_it(monkeypatch):
    monkeypatch.setattr(runtimes, "RUNTIMES", ())
    with pytest.raises(ExportError, match="nothing runs onnx on a CPU, .* a line to its RUNTIMES"):
        parity_runtime(find_format("onnx"))
