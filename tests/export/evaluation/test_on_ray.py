"""The engine of many machines, on a Ray of this one: the same answers, whatever dies on the way."""

import os
import signal
from functools import partial
from pathlib import Path

import number_network
import numpy as np
import pytest
from number_network import COUNT, Silence, make_examples, refuse, subject, subject_of

import export
from export.cluster import Cluster
from export.evaluation.local import Local
from export.evaluation.on_ray import OnRay
from export.evaluation.run import evaluate

pytest.importorskip("ray.data", reason="comes with pip install '.[ray]'")
MODULES = [Path(export.__file__).parent, Path(number_network.__file__).parent / "x"]


@pytest.fixture
def examples(tmp_path):
    return make_examples(tmp_path / "pictures")


class Once:
    """A Ray that several evaluations use; starting one takes ten seconds."""

    def __init__(self, engine):
        self._engine, self.answers = engine, engine.answers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="module")
def engine():
    with OnRay(Cluster(2, modules=MODULES)) as engine:
        yield Once(engine)


@pytest.fixture
def run(tmp_path, examples, engine):
    def run(*subjects, **options):
        options = {"batch": 5, "progress": Silence(), "state": tmp_path / "state"} | options
        return list(evaluate(subjects, examples, options.pop("engine", engine), **options))

    return run


def dies_once(log: Path, mark: Path, threads=None):
    """A network whose process is killed as soon as it meets the number 12, the first time."""
    network = number_network.load(log)

    def predict(images):
        if 12 in images[:, 0, 0, 0] and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return network.predict(images)

    return number_network.Running(predict, f"a stand-in by {threads} thread")


def test_actors_answer_as_the_pool_does_also_where_one_is_killed(run, examples, tmp_path):
    (examples.folder / "03").write_text("no number")
    network = partial(dies_once, tmp_path / "log", tmp_path / "died")
    (outcome,) = run(subject_of("net/a", network))
    (expected,) = run(subject(tmp_path / "other log"), engine=Local(), state=tmp_path / "pool")
    assert (tmp_path / "died").exists() and outcome.error == ""
    assert np.array_equal(outcome.ranks.best, expected.ranks.best)
    assert outcome.ranks.broken == expected.ranks.broken == {3: "cannot read '03'"}
    assert (outcome.ran, outcome.looked_at) == ("a stand-in by 1 thread", COUNT)


def test_an_evaluation_that_failed_goes_on_where_it_stopped(run, tmp_path):
    (failed,) = run(subject(tmp_path / "log", fails_on=22), batch=1)
    assert failed.error == "RuntimeError: runtime says no"
    (outcome,) = run(subject(tmp_path / "log"), batch=1, resume=True)
    assert 1 <= outcome.looked_at < COUNT
    assert outcome.ranks.best[:, 0].tolist() == [n % 7 for n in range(COUNT)]


def test_what_kills_every_actor_is_given_up_in_one_line(run, tmp_path):
    killed, fine = run(subject(tmp_path / "log", fails_on=-2), subject(tmp_path / "b", name="b"))
    assert "ended 3 actors, perhaps for want of memory" in killed.error
    assert "--resume" in killed.error and "\n" not in killed.error
    assert fine.error == "" and fine.looked_at == COUNT


def test_a_network_that_cannot_be_loaded_says_why(run):
    (outcome,) = run(subject_of("net/a", refuse))
    assert outcome.error == "this network needs a lane"


def test_pictures_that_are_all_broken_end_the_run_in_peace(run, examples, tmp_path):
    for path in examples.paths():
        path.write_text("no number")
    (outcome,) = run(subject(tmp_path / "log"))
    assert len(outcome.ranks.broken) == COUNT


MANIFEST = Path(export.__file__).parents[1] / "docs" / "ray-job.yaml"


def test_the_manifest_for_a_cluster_has_pods_that_kubernetes_takes_and_a_command_that_we_take():
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="pip install '.[test]'")
    yaml = pytest.importorskip("yaml", reason="pip install '.[serving]'")
    from tools.evaluate import _parser

    job = yaml.safe_load(MANIFEST.read_text())
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", **group["template"]}
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    program, tool, *arguments = job["spec"]["entrypoint"].split()
    args = _parser().parse_args(arguments)
    assert (program, tool, args.engine, args.ray_address) == (
        "keras-nets", "evaluate", "ray", "auto",
    )  # fmt: skip
    assert args.resume and args.state.is_relative_to("/data")
