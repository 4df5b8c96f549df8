"""Pouring weights into a finished file, each exactly once, and draining them from it again."""

import hashlib
import re

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.errors import ArtifactError, PourError
from export.skeleton.fold import Weight
from export.skeleton.pour import (
    SMALLEST_DRAINED,
    Placement,
    Step,
    check_placements,
    chunks,
    digest,
    drain,
    follow,
    mark,
    marked,
    pour,
)
from export.skeleton.wire import CONTENT

SCHEMA = {7: {5: {9: CONTENT}}}


def weight(name, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Weight(name, shape, lambda: values)


WEIGHTS = (weight("conv/kernel", 3, 3, 4, 8), weight("conv/bias", 8), weight("fc/kernel", 40, 20))
PLACEMENTS = (
    Placement(0, "k", (8, 4, 3, 3), (Step("transpose", (3, 2, 0, 1)),)),
    Placement(1, "b", (1, 8, 1, 1), (Step("reshape", (1, 8, 1, 1)),)),
    Placement(2, "f", (40, 20)),
)


def skeleton(placements=PLACEMENTS, **others) -> bytes:
    """An ONNX model whose initializers wait for values, beside some that do not."""
    model = onnx.ModelProto(ir_version=8)
    for name, content in others.items():
        model.graph.initializer.add(name=name, data_type=1, raw_data=content)
    for place in placements:
        model.graph.initializer.add(
            name=place.tensor, data_type=1, dims=place.shape, raw_data=mark(place.index)
        )
    return model.SerializeToString()


def read(path) -> dict[str, np.ndarray]:
    model = onnx.ModelProto.FromString(path.read_bytes())
    return {init.name: onnx.numpy_helper.to_array(init) for init in model.graph.initializer}


def test_every_weight_arrives_by_its_recipe(tmp_path):
    pour(skeleton(), SCHEMA, WEIGHTS, PLACEMENTS, tmp_path / "model")
    held = read(tmp_path / "model")
    np.testing.assert_array_equal(held["k"], WEIGHTS[0].read().transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(held["b"].ravel(), WEIGHTS[1].read())
    np.testing.assert_array_equal(held["f"], WEIGHTS[2].read())


def test_draining_gives_the_values_back_and_the_skeleton(tmp_path):
    pour(skeleton(small=b"abcd"), SCHEMA, WEIGHTS, PLACEMENTS, tmp_path / "model")
    drained = drain(tmp_path / "model", SCHEMA)
    large = [(i, p) for i, p in enumerate(PLACEMENTS) if WEIGHTS[i].bytes >= SMALLEST_DRAINED]
    assert len(drained.spans) == len(large) == 2
    for k, (index, place) in enumerate(large):
        values = follow(place.steps, WEIGHTS[index].read())
        np.testing.assert_array_equal(drained.read(k), values.ravel())
    kept = {
        i.name: i.raw_data for i in onnx.ModelProto.FromString(drained.skeleton).graph.initializer
    }
    assert kept["small"] == b"abcd"
    assert [marked(kept[place.tensor]) for _, place in large] == [0, 1]
    assert kept["b"] == WEIGHTS[1].read().tobytes(), "too small to be drained"


@given(st.lists(st.integers(200, 600), min_size=1, max_size=4), st.randoms())
def test_any_order_of_places_in_the_file_will_do(tmp_path_factory, sizes, random):
    path = tmp_path_factory.mktemp("poured") / "model"
    weights = tuple(weight(f"w{i}", size, 2, seed=i) for i, size in enumerate(sizes))
    places = [
        Placement(i, f"t{i}", (2, size), (Step("transpose", (1, 0)),))
        for i, size in enumerate(sizes)
    ]
    random.shuffle(places)
    pour(skeleton(places), SCHEMA, weights, places, path)
    drained = drain(path, SCHEMA)
    for k, place in enumerate(places):
        wanted = weights[place.index].read().T
        np.testing.assert_array_equal(drained.read(k).reshape(place.shape), wanted)


def refused(placements, match, made=None, tmp_path=None):
    with pytest.raises(PourError, match=match):
        pour(skeleton(made or placements), SCHEMA, WEIGHTS, placements, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_weight_without_a_place_is_named(tmp_path):
    refused(PLACEMENTS[:1] + PLACEMENTS[2:], "lost conv/bias", tmp_path=tmp_path)


def test_of_many_weights_without_a_place_three_are_named():
    many = tuple(weight(f"w{i}", 2) for i in range(6))
    with pytest.raises(PourError, match=re.escape("lost w1, w2, w3 and 2 more")):
        check_placements(many, [Placement(0, "t", (2,))])


def test_a_weight_with_two_places_is_named(tmp_path):
    doubled = (*PLACEMENTS, Placement(2, "again", (40, 20)))
    refused(doubled, "doubled fc/kernel", tmp_path=tmp_path)


def test_a_place_that_the_file_does_not_have_is_an_error(tmp_path):
    refused(PLACEMENTS, "2 places were found for 3 weights", PLACEMENTS[:2], tmp_path)


def test_a_mark_that_stands_twice_in_the_file_is_an_error(tmp_path):
    twice = (*PLACEMENTS, Placement(1, "again", (1, 8, 1, 1)))
    refused(PLACEMENTS, "4 places were found for 3 weights", twice, tmp_path)


def test_a_mark_of_no_weight_is_an_error(tmp_path):
    stranger = (*PLACEMENTS, Placement(7, "stranger", (2,)))
    refused(PLACEMENTS, "number 7, and there is no such weight", stranger, tmp_path)


@pytest.mark.parametrize(
    ("shape", "steps"),
    [
        ((20, 40), ()),
        ((40, 20), (Step("transpose", (1, 0)),)),
        ((800, 1), ()),
        ((40, 21), (Step("reshape", (40, 21)),)),
        ((40, 20), (Step("transpose", (2, 1, 0)),)),
    ],
)
def test_a_place_of_a_shape_that_its_recipe_does_not_lead_to_is_named(tmp_path, shape, steps):
    misshapen = (*PLACEMENTS[:2], Placement(2, "f", shape, steps))
    refused(misshapen, r"gave fc/kernel of shape \(40, 20\) a place of shape", tmp_path=tmp_path)


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_recipes_follow_one_after_another(first, second):
    values = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    steps = (Step("transpose", first), Step("transpose", second), Step("reshape", (-1, 2)))
    wanted = values.transpose(first).transpose(second).reshape(-1, 2)
    np.testing.assert_array_equal(follow(steps, values), wanted)


def test_values_are_streamed_in_chunks_of_little_endian_float32():
    values = np.arange((1 << 22) + 5, dtype=">f8").reshape(-1, 3)[:, ::-1]
    parts = list(chunks(values))
    assert len(parts) == 2 and max(map(len, parts)) <= 1 << 24
    assert b"".join(parts) == values.astype("<f4").tobytes()
    assert digest(values) == hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()


def test_marks_are_told_from_weights():
    assert [marked(mark(index)) for index in (0, 7, 123_456)] == [0, 7, 123_456]
    assert marked(b"") is None
    assert marked(np.zeros(100, np.float32).tobytes()) is None


def test_an_empty_file_is_an_artifact_error(tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(ArtifactError, match="is empty; export it again"):
        drain(tmp_path / "model", SCHEMA)


@given(st.data())
def test_a_damaged_file_drains_or_is_an_artifact_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    pour(skeleton(), SCHEMA, WEIGHTS, PLACEMENTS, folder / "whole")
    content = bytearray((folder / "whole").read_bytes())
    if data.draw(st.booleans(), "truncated"):
        del content[data.draw(st.integers(1, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, 80))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "model").write_bytes(content)
    try:
        drained = drain(folder / "model", SCHEMA)
    except ArtifactError as error:
        assert "is damaged" in str(error)
    else:
        assert all(np.isfinite(drained.read(k)).size for k in range(len(drained.spans)))


def test_a_weight_is_read_into_memory_that_is_there(tmp_path):
    pour(skeleton(), SCHEMA, WEIGHTS, PLACEMENTS, tmp_path / "model")
    drained = drain(tmp_path / "model", SCHEMA)
    room = np.empty((40, 20), np.float32)
    at = [size for _, size in drained.spans].index(room.nbytes)
    drained.read_into(at, room)
    np.testing.assert_array_equal(room, WEIGHTS[2].read())


def test_a_tensor_that_does_not_fill_its_place_is_an_artifact_error(tmp_path):
    pour(skeleton(), SCHEMA, WEIGHTS, PLACEMENTS, tmp_path / "model")
    drained = drain(tmp_path / "model", SCHEMA)
    last = len(drained.spans) - 1
    with pytest.raises(ArtifactError, match="holds a tensor cut short; export it again"):
        drained.read_into(last, np.empty(7, np.float32))
    offset, size = drained.spans[last]
    with (tmp_path / "model").open("r+b") as file:
        file.truncate(offset + size - 1)
    with pytest.raises(ArtifactError, match="holds a tensor cut short; export it again"):
        drained.read_into(last, np.empty(size // 4, np.float32))
