"""What an artifact must show of a compression."""

from dataclasses import replace

import numpy as np
import pytest

from export.checks.compression import compression
from export.compression.facts import look
from export.formats.base import Found
from export.results import Status

KERNEL = "conv/kernel"


@pytest.fixture
def kernel():
    """(3, 3, 4, 8), of which two of each four input channels are zero, with five values in all."""
    values = np.random.default_rng(0).integers(1, 5, (3, 3, 4, 8)).astype(np.float32)
    values[:, :, 1:3] = 0
    return values


@pytest.fixture
def judge(honest):
    """A function from the kernel that an artifact holds to the verdict on it."""

    def ask(values, *, norms=(), sha256="0" * 64, **promised):
        found = Found.of(KERNEL, values)
        weights = (found, *honest().observation.weights[1:])
        layer = {"name": "conv", "weight": KERNEL, "sparsity": 0.5, "pattern": "2:4"}
        content = {
            "schema": 1,
            "method": {"prune": "2:4", "cluster": 5, "qat": False},
            "layers": [{**layer, "distinct": 5, **promised}],
            "sha256": {"before": "", "after": sha256},
        }
        changes = {"observation": {"weights": weights}, "reference": {"norms": norms}}
        return compression(honest("onnx", **changes, compression=content))

    return ask


def test_a_model_that_was_not_compressed_is_not_asked(honest):
    assert compression(honest()) is None


def test_a_kernel_that_keeps_its_promise_passes(judge, kernel):
    check = judge(kernel)
    assert check.status is Status.PASSED
    assert check.note == "1 kernel as promised, 1 sparse, 1 with 2:4, 1 clustered"
    shown = {"name": KERNEL, "sparsity": 0.5, "pattern": True, "distinct": 5}
    assert check.details == {"kernels": [shown]}


def test_one_broken_group_of_four_is_caught(judge, kernel):
    kernel[2, 1, 1, 7] = kernel[2, 1, 0, 7]
    kernel[0, 0, 0, 0] = 0  # so that as many are zero as before
    check = judge(kernel)
    assert check.status is Status.FAILED
    assert check.note == f"{KERNEL}: a group of four is not 2:4"


def test_a_dense_artifact_that_claims_a_pattern_fails(judge, kernel):
    check = judge(np.where(kernel == 0, 1, kernel).astype(np.float32))
    assert check.status is Status.FAILED
    assert check.note == f"{KERNEL}: 0 of 288 values are zero instead of 144"
    assert (check.measured, check.unit) == (1, "layers")


def test_one_value_too_many_is_caught(judge, kernel):
    kernel[0, 0, 0, 0] = 9
    assert judge(kernel).note == f"{KERNEL}: 6 distinct values instead of 5"
    assert judge(kernel, distinct=6).status is Status.PASSED, "16 were asked for, and 6 came"


def test_of_a_folded_kernel_the_values_of_a_channel_count(judge, kernel, norm):
    scaled = kernel * np.linspace(1, 2, 8, dtype=np.float32)
    assert look(scaled).distinct > 5
    assert judge(scaled).status is Status.FAILED
    assert judge(scaled, norms=(norm,)).status is Status.PASSED
    scaled[0, 0, 0, 0] += 1
    scaled[0, 1, 0, 0] += 2
    assert "distinct values in a channel instead of 5" in judge(scaled, norms=(norm,)).note


@pytest.fixture
def norm():
    from export.skeleton.fold import Norm

    channels = {"variance": np.ones(8), "beta": np.zeros(8)}
    return Norm(name="norm", into="conv", kernel=KERNEL, bias="conv/bias", epsilon=1e-3, **channels)


def test_a_kernel_that_is_not_there_fails(judge, kernel):
    check = judge(kernel, weight="other/kernel")
    assert check.note == "other/kernel: not found in it"
    assert check.status is Status.FAILED


def test_a_record_of_other_weights_fails(judge, kernel):
    check = judge(kernel, sha256="1" * 64)
    assert check.status is Status.FAILED
    assert "is of other weights" in check.note


def test_a_damaged_record_fails(judge, kernel):
    assert "the record is damaged" in judge(kernel, sparsity="half").note


def test_a_layer_that_was_left_alone_is_listed_and_asked_nothing(judge, kernel):
    check = judge(kernel + 7, pattern="dense", distinct=288, sparsity=0.0, left="its 3 channels")
    assert check.status is Status.PASSED
    assert check.note == "no layer was pruned or clustered"


def test_what_could_not_be_opened_is_not_judged(honest, judge, kernel):
    content = {"schema": 1, "method": {}, "layers": [], "sha256": {"after": "0" * 64}}
    trial = honest(compression=content)
    closed = replace(trial.observation, weights=(), error="it is damaged", failed="open")
    check = compression(replace(trial, observation=closed))
    assert (check.status, check.note) == (Status.SKIPPED, "could not be read: it is damaged")
