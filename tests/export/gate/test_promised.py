"""Promises of a compression, broken on purpose in every kind of artifact."""

import keras
import numpy as np
import pytest

from export.checks import Case, Expected, run_checks
from export.compression.facts import look
from export.compression.promises import Promise
from export.gate.examine import observed
from export.gate.power import measure_power
from export.gate.promised import BROKEN, PROMISES
from export.results import Status, find

FORMATS = ["savedmodel", "onnx", "onnx-int8", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]
NAMES = [mutation.name for mutation in PROMISES]
CLUSTERS = 8


def clustered(values):
    """At most CLUSTERS values, and two of each four input channels zero."""
    steps = np.linspace(-1, 1, CLUSTERS - 1, dtype=np.float32)
    values = steps[np.abs(values[..., None] / np.abs(values).max() - steps).argmin(axis=-1)]
    values[..., 0::4, :] = values[..., 3::4, :] = 0
    return values


@pytest.fixture
def kernel():
    return clustered(np.random.default_rng(0).standard_normal((3, 3, 8, 6)).astype(np.float32))


@pytest.mark.parametrize(("name", "how"), BROKEN)
@pytest.mark.parametrize("by_channel", [False, True])
def test_a_broken_promise_is_the_only_one(kernel, name, how, by_channel):
    promise = Promise("conv/kernel", 0.5, True, np.unique(kernel).size)
    assert promise.broken_by(look(kernel), by_channel) == ""
    broken = promise.broken_by(look(how(kernel.copy(), promise, by_channel)), by_channel)
    assert broken.startswith(
        {
            "a zero too few": "215 of 432 values are zero instead of 216",
            "a group of four broken": "a group of four is not 2:4",
            "a distinct value too many": f"{promise.distinct + 1} distinct values",
        }[name]
    )


@pytest.mark.parametrize(("name", "how"), BROKEN)
def test_what_was_not_promised_cannot_be_broken(kernel, name, how):
    assert how(kernel, Promise("conv/kernel", 0.0, False, None), False) is None


@pytest.fixture(scope="module")
def model(toy):
    """The toy, two kernels of it as `clustered` makes them."""
    made = keras.models.clone_model(toy("plain"))
    made.set_weights(toy("plain").get_weights())
    for name in ("conv2", "fc4"):
        kernel = made.get_layer(name).kernel
        kernel.assign(clustered(np.asarray(kernel)))
    return made


def content(model, sha256):
    layers = [
        {"name": name, "weight": f"{name}/kernel", "pattern": "2:4"}
        | {key: getattr(facts, key) for key in ("sparsity", "distinct")}
        for name in ("conv2", "fc4")
        for facts in [look(np.asarray(model.get_layer(name).kernel))]
    ]
    method = {"prune": "2:4", "cluster": CLUSTERS, "qat": False}
    return {"schema": 1, "method": method, "layers": layers, "sha256": {"after": sha256}}


@pytest.mark.parametrize("format", FORMATS)
def test_every_promise_of_an_artifact_is_broken_and_caught(here, model, tmp_path, format):
    from export.calibration.prepared import prepare
    from export.calibration.reading import synthetic
    from export.formats import find_format
    from export.formats.base import Order
    from export.observe.model import observe_model
    from export.observe.probes import inputs
    from export.skeleton.tracing import trace

    skeleton, chosen = trace(model), find_format(format)
    folder, scratch = tmp_path / "made", tmp_path / "spare"
    folder.mkdir()
    scratch.mkdir()
    order = prepare(synthetic(count=4), skeleton, 0).order if chosen.needs else {}
    written = chosen.write(Order(skeleton=skeleton, folder=folder, scratch=scratch, **order))
    reference = observe_model(model, skeleton, inputs(skeleton, 0), [chosen])
    case = Case(
        format=chosen,
        reference=reference,
        expected=Expected.unknown("a toy"),
        compression=content(model, reference.sha256),
        calibration={"ranges": written.ranges},
    )
    trial = observed(case, folder, scratch)
    checks = run_checks(trial)
    assert find(checks, "compression").status is Status.PASSED
    found = measure_power(trial, checks, folder, scratch, find(checks, "parity").allowed)
    assert not found.error
    broken = {one.name: one.caught_by for one in found.mutants if one.name in NAMES}
    assert broken == dict.fromkeys(NAMES, ("compression",))
    assert all(one.counts for one in found.mutants if one.name in NAMES)
