"""The gate, asked to catch each bug, and gates that are too weak to."""

import json
from dataclasses import replace

import numpy as np
import pytest

from export.checks import CHECKS, run_checks
from export.gate import power
from export.gate.examine import Wish, examine
from export.gate.mutants import Measure
from export.gate.power import Mutant, Power, as_details, measure_power
from export.networks.base import Edit
from export.process import ChildFailed
from export.results import Status, find, verdict

FORMATS = ["savedmodel", "onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]


def measured(trial, folder, tmp_path, bound=None):
    checks = run_checks(trial)
    allowed = find(checks, "parity").allowed
    return measure_power(trial, checks, folder, tmp_path, bound or allowed)


@pytest.mark.parametrize("format", FORMATS)
def test_every_bug_that_changes_a_toy_is_caught(here, trial, written, tmp_path, format):
    folder = written("plain", format)
    found = measured(trial("plain", format, folder), folder, tmp_path)
    assert not found.error
    assert (found.caught, found.of, found.full) == (12, 12, True)
    (none,) = (mutant for mutant in found.mutants if not mutant.counts)
    assert none.name == "pooling rounded up"
    assert none.note == "without effect: not one logit changes"
    assert found.smallest.effect > 1e-2


@pytest.mark.parametrize("name", ["odd", "shared", "nested"])
def test_other_toys_have_fewer_places_and_full_power(here, trial, written, tmp_path, name):
    folder = written(name, "onnx")
    found = measured(trial(name, "onnx", folder), folder, tmp_path)
    assert found.full
    assert found.of >= 9
    assert all(mutant.note.startswith("without effect") for mutant in found.mutants
               if not mutant.counts)  # fmt: skip


def test_weights_alone_catch_what_logits_do_not_show(here, trial, written, tmp_path):
    folder = written("plain", "onnx")
    found = measured(trial("plain", "onnx", folder), folder, tmp_path)
    caught_by = {mutant.name: mutant.caught_by for mutant in found.mutants}
    assert "weights" in caught_by["a bias off by 1 %"]
    assert "weights" in caught_by["another batch-norm epsilon"]
    assert caught_by["channels in BGR order"] == ("parity",)


def test_a_gate_without_parity_misses_most(here, trial, written, tmp_path, monkeypatch):
    folder = written("plain", "onnx")
    subject = trial("plain", "onnx", folder)
    checks = run_checks(subject)
    weak = tuple(check for check in CHECKS if check.__name__ != "parity")
    monkeypatch.setattr(power, "run_checks", lambda t: tuple(filter(None, (c(t) for c in weak))))
    found = measure_power(subject, checks, folder, tmp_path, 1e-5)
    assert not found.full
    names = [mutant.name for mutant in found.missed]
    assert "classes reversed" in names
    assert "a kernel flipped" not in names  # its hash is another
    assert as_details(found)["power"]["missed"] == names


def test_an_artifact_that_fails_has_no_power(here, trial, written, tmp_path):
    folder = written("plain", "onnx")
    honest = trial("plain", "onnx", folder)
    wrong = replace(
        honest.observation, outputs={"logits": honest.observation.outputs["logits"][:, ::-1]}
    )
    found = measured(replace(honest, observation=wrong), folder, tmp_path, 1e-5)
    assert found.error == "the artifact itself fails; mutants of it prove nothing"
    assert not found.full


def test_a_graph_that_is_not_the_artifact_proves_nothing(here, trial, written, tmp_path):
    folder = written("plain", "onnx")
    honest = trial("plain", "onnx", folder)
    checks = run_checks(honest)
    other = replace(
        honest.observation,
        outputs={"logits": honest.observation.outputs["logits"] + np.float32(0.1)},
    )
    found = measure_power(replace(honest, observation=other), checks, folder, tmp_path, 1e-5)
    assert "gives other outputs than the artifact" in found.error


def case_of(reference, format: str = "onnx"):
    from export.checks import Case, Expected
    from export.formats import find_format

    unknown = Expected.unknown("a toy")
    return Case(format=find_format(format), reference=reference, expected=unknown)


def examined(wish, reference, written, tmp_path, **options):
    case = case_of(reference("plain"))
    return examine(case, written("plain", "onnx"), tmp_path, wish, **options)


def test_power_stands_beside_parity(here, reference, written, tmp_path):
    checks = examined(Wish(self_test=True), reference, written, tmp_path)
    parity = find(checks, "parity")
    assert parity.details["power"] == {"caught": 12, "of": 12, "missed": []}
    assert parity.details["smallest_bug"]["measured"] > 10 * parity.allowed
    assert "power" not in {check.name for check in checks}
    json.dumps(parity.details, allow_nan=False)


def test_strict_fails_below_full_power(here, reference, written, tmp_path, monkeypatch):
    checks = examined(Wish(strict=True), reference, written, tmp_path)
    assert (checks[-1].name, checks[-1].status) == ("power", Status.PASSED)
    weak = lambda trial: tuple(verdict(c.name, True, 0, 0) for c in checks)  # noqa: E731
    monkeypatch.setattr(power, "run_checks", weak)
    checks = examined(Wish(strict=True), reference, written, tmp_path)
    assert (checks[-1].status, checks[-1].measured) == (Status.FAILED, 0)
    assert "would miss: channels in BGR order" in checks[-1].note


def test_a_mutant_that_does_not_run_proves_nothing(here, reference, written, tmp_path, monkeypatch):
    from export.networks.onnx import OnnxNetwork

    build = OnnxNetwork.build

    def fail(self, graph, weights=()):
        if graph is not self.graph:
            raise RuntimeError("ShapeInferenceError\nand more")
        return build(self, graph, dict(weights))

    monkeypatch.setattr(OnnxNetwork, "build", fail)
    checks = examined(Wish(self_test=True), reference, written, tmp_path)
    parity = find(checks, "parity")
    assert (parity.details["power"]["caught"], parity.details["power"]["of"]) == (9, 9)
    assert parity.note.endswith(
        "; not tested: a branch zeroed, a ReLU dropped, padding shifted by one"
    )
    notes = {entry["name"]: entry.get("note") for entry in parity.details["mutants"]}
    assert notes["a ReLU dropped"] == "not tested: RuntimeError: ShapeInferenceError"


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_artifact_opened_early_is_judged_the_same(
    here, reference, written, tmp_path, monkeypatch, jobs
):
    children = []

    def measure(*args):
        children.append(args[-1])
        return measure_power(*args)

    monkeypatch.setattr(power, "measure_power", measure)
    checks = examined(Wish(self_test=True), reference, written, tmp_path, jobs=jobs)
    assert [child is not None for child in children] == [jobs > 1]
    assert find(checks, "parity").details["power"] == {"caught": 12, "of": 12, "missed": []}


def test_a_process_that_cannot_be_started_early_is_started_in_its_turn(
    here, reference, written, tmp_path, monkeypatch
):
    refused, opened = [BlockingIOError("no more processes")], power.opened

    def start(*args):
        if refused:
            raise refused.pop()
        return opened(*args)

    monkeypatch.setattr(power, "opened", start)
    checks = examined(Wish(self_test=True), reference, written, tmp_path, jobs=2)
    assert refused == []
    assert find(checks, "parity").details["power"] == {"caught": 12, "of": 12, "missed": []}


def test_an_artifact_that_does_not_open_is_not_tested(reference, tmp_path):
    folder, scratch = tmp_path / "artifact", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    case = case_of(reference("plain"))
    checks = examine(case, folder, scratch, Wish(strict=True), jobs=2)
    assert "power" not in find(checks, "parity").details
    assert find(checks, "contract").status is Status.FAILED
    assert not any(scratch.iterdir())  # what the processes passed is gone


def test_the_end_of_the_process_that_changes_the_artifact_is_told(
    trial, written, tmp_path, monkeypatch
):
    folder = written("plain", "onnx")
    subject = trial("plain", "onnx", folder)
    checks, inputs = run_checks(subject), subject.reference.inputs
    with power.opened(subject.format, folder, inputs, tmp_path) as child:
        child.running.kill()
        with pytest.raises(ChildFailed, match="mutants was killed"):
            measure_power(subject, checks, folder, tmp_path, 1e-5, child)


@pytest.mark.parametrize(
    ("format", "jobs", "early"),
    [("onnx", 1, False), ("onnx", 2, True), ("onnx-int8", 1, False), ("onnx-int8", 2, True)],
)
def test_it_is_opened_early_as_is_asked_for(reference, format, jobs, early):
    assert power.opens_early(case_of(reference("plain"), format), jobs) is early


def test_memory_decides_whether_an_artifact_is_opened_early(reference, monkeypatch):
    asked = []
    monkeypatch.setattr(power, "jobs_for", lambda *args: asked.append(args) or 2)
    weights = 4 * reference("plain").totals.total
    for format in ("onnx", "onnx-int8"):
        assert power.opens_early(case_of(reference("plain"), format), None)
    assert [room for *_, room in asked] == [power.TOGETHER] * 2
    assert asked[1][0] == 2 * asked[0][0]  # it is run without its rounding as well
    assert asked[0][0] == pytest.approx(weights, rel=0.1)


def test_an_edit_of_outputs_runs_nothing():
    base = {"logits": np.arange(12, dtype=np.float32).reshape(4, 3)}
    images = {"image": np.zeros((4, 2), np.float32)}
    measure = Measure(images, base, {}, bound=1e9)

    def run(batch):
        raise AssertionError("what it gives is known")

    reverse = Edit(gives=lambda made: {name: made[name][:, ::-1] for name in made})
    effect, outputs = measure.effect(run, reverse)
    assert effect == pytest.approx(2 / base["logits"].std())
    np.testing.assert_array_equal(outputs["logits"], base["logits"][:, ::-1])
    effect, outputs = measure.effect(run, Edit())
    assert effect == 0
    np.testing.assert_array_equal(outputs["logits"], base["logits"])


def test_infinite_effects_are_no_json(tmp_path):
    found = Power((Mutant("a", float("inf"), ("parity",)), Mutant("b", None)))
    assert as_details(found)["mutants"][0]["effect"] is None
    assert (found.caught, found.of) == (1, 1)
