"""The engine is asked through a stand-in of the lane's script, for there is no GPU here."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from export.checks.engine import engine as check_engine
from export.contract import Contract
from export.errors import MissingLane
from export.formats import FORMATS
from export.observe import engine
from export.process import child_of_script
from export.results import Status
from export.runtimes import tensorrt

STANDIN = Path(__file__).parents[2] / "standin" / "engine_script.py"
FORMAT = FORMATS["tftrt-fp16"]
IMAGES = np.random.default_rng(0).standard_normal((5, 8, 8, 3)).astype(np.float32)


def network(images):
    spec = importlib.util.spec_from_file_location("engine_script", STANDIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.network(images)


def standin(pretend: str):
    """Instead of `child_in_lane`: a child that runs the stand-in."""

    @contextmanager
    def child_in_lane(_lane, _script, scratch, *, about):
        with child_of_script(Path(sys.executable), STANDIN, scratch, about) as child:
            yield SimpleNamespace(
                ask=lambda job, arrays: child.ask({**job, "pretend": pretend}, arrays)
            )

    return child_in_lane


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """A function from what the stand-in pretends to what the engine did."""
    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path)

    def run(pretend: str = "", sizes=(1, 4, 8)):
        monkeypatch.setattr(tensorrt, "child_in_lane", standin(pretend))
        return engine.run_engine(FORMAT, tmp_path, {"image": IMAGES}, sizes)

    return run


@pytest.fixture
def judge(ask):
    """A function from what the stand-in pretends to the check of the engine."""
    reference = SimpleNamespace(
        outputs={"logits": network(IMAGES)},
        noise=None,
        contract=Contract.of_classifier(IMAGES.shape[1:], 5),
        compared=lambda outputs, name, **_: outputs[name],
    )

    def run(pretend: str = "", sizes=(1, 4, 8)):
        trial = SimpleNamespace(format=FORMAT, reference=reference, batch_sizes=sizes)
        trial.engine = ask(pretend, sizes)
        return check_engine(trial)

    return run


def test_an_engine_is_not_asked_where_there_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path / "none")
    run = engine.run_engine(FORMAT, tmp_path, {"image": IMAGES}, (1,))
    assert run.unable == "needs a GPU; run tools/verify.py on a machine that has one"


def test_every_batch_size_is_run_on_its_own_in_whole_batches(ask):
    run = ask(sizes=(1, 4, 16))
    assert [batches.size for batches in run.batches] == [1, 4, 16]
    assert [len(batches.outputs["logits"]) for batches in run.batches] == [5, 8, 16]
    assert (run.failed, run.unable, run.uncounted) == ("", "", "")
    again = network(IMAGES[np.arange(16) % 5])
    assert np.array_equal(run.batches[2].outputs["logits"], again), "16 rows of 5 probes"


def test_an_engine_that_gives_the_models_logits_passes_and_says_how_many_were_built(judge):
    check = judge()
    assert check.status is Status.PASSED
    assert check.measured == 0
    assert check.note.startswith("on a GPU; 3 engines built, for batches of 1, 4 and 8; worst in")
    assert [entry["size"] for entry in check.details["batches"]] == [1, 4, 8]
    assert check.details["batches"][1]["engines"] == {"TRTEngineOp_000_000": [1, 4]}
    assert check.details["evidence"] == "engines that TensorFlow's cache held"


def test_in_descending_order_one_engine_may_serve_all(judge):
    check = judge(sizes=(8, 4, 1))
    assert check.status is Status.PASSED
    assert "; 1 engine built, for batches of 8; " in check.note


@pytest.mark.parametrize(
    ("pretend", "reason", "note"),
    [
        (
            "fell back at 4",
            "error",
            "on a GPU; it failed in batches of 4: AbortedError: User disallowed engine native "
            "segment execution",
        ),
        ("shapes do not fit", "error", "its input shape is [-1, 9, 9, 3] and it is fed [1, 8"),
        ("killed at 8", "error", "on a GPU; it failed in batches of 8: engine was killed"),
        (
            "no engine",
            "no-engine",
            "on a GPU; no engine was built for batches of 1, 4 and 8, so the logits are FP32's",
        ),
    ],
)
def test_an_engine_that_does_not_run_on_a_gpu_fails(judge, pretend, reason, note):
    check = judge(pretend)
    assert check.status is Status.FAILED
    assert check.details["reason"] == reason
    assert note in check.note
    assert check.measured is None, "a small number beside a bound would read as a pass"


def test_wrong_logits_in_batches_of_one_size_fail(judge):
    check = judge("wrong at 4")
    assert check.status is Status.FAILED
    assert "worst in batches of 4: top-1 equal on" in check.note
    errors = {entry["size"]: entry["error"] for entry in check.details["batches"]}
    assert errors[1] == errors[8] == 0 < errors[4]


@pytest.mark.parametrize(
    ("pretend", "note"),
    [
        ("no library", "TensorRT 8.6 is not installed"),
        (
            "died before the GPU was seen",
            "the engine could not be asked: engine failed: libcudart cannot be loaded",
        ),
        (
            "no cache",
            "the logits are right, but not known to be an engine's: no such op",
        ),
    ],
)
def test_what_cannot_be_told_on_this_machine_is_skipped_with_the_reason(judge, pretend, note):
    check = judge(pretend)
    assert (check.status, check.note) == (Status.SKIPPED, note)


def test_a_lane_that_cannot_exist_here_is_skipped(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise MissingLane("the lane tf217 cannot exist here")

    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path)
    monkeypatch.setattr(tensorrt, "child_in_lane", fail)
    run = engine.run_engine(FORMAT, tmp_path, {"image": IMAGES}, (1,))
    assert run.unable == "the engine could not be asked: the lane tf217 cannot exist here"


def test_an_answer_of_an_earlier_run_is_not_taken_for_this_ones(ask):
    assert ask().batches
    assert ask("died before the GPU was seen").unable
