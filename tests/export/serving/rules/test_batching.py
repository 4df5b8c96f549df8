"""Batch sizes that a version is not made for, and files without any, are found."""

import pytest
from damage import edit, remove, write

from export.serving.lint import lint

VERSION = "models/toy/1"
SIZES = f"{VERSION}/batching_params.pbtxt"


DAMAGE = {
    "sizes descend": (edit(SIZES, "sizes: 1", "sizes: 5"), "should ascend"),
    "last is not largest": (edit(SIZES, "value: 8", "value: 16"), "the model does not load"),
    "not the engine's": (
        edit("models/fast/1/batching_params.pbtxt", "sizes: 4", "sizes: 6"),
        "builds another engine",
    ),
    "server not the engine's": (
        edit("batching_parameters.txt", "sizes: 4", "sizes: 6"),
        "allows batches of [6], and fast version 1",
    ),
    "no sizes": (write(SIZES, b"max_batch_size { value: 8 }"), "no allowed_batch_sizes"),
    "no batching": (remove(SIZES), "are not batched"),
    "batching broken": (write("batching_parameters.txt", b"max: 8"), "no BatchingParameters"),
    "no threads": (
        edit(
            "batching_parameters.txt", "max_enqueued", "num_batch_threads { value: 0 } max_enqueued"
        ),
        "num_batch_threads below 1",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts


def test_batches_that_are_split_may_be_larger_than_the_largest_that_is_run(folder):
    splits = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 }"
    edit(SIZES, "{\n  value: 8\n}", f"{{ value: 64 }} {splits}")(folder)
    assert [f.text for f in lint(folder)] == ["has changed since it was published"]
