"""compression.json, read as a file that anybody may have written."""

import json

import pytest

from export.compression.content import learned_ranges, read_beside
from export.errors import ArtifactError

LAYER = {"name": "a", "weight": "a/kernel", "sparsity": 0.5, "pattern": "2:4", "distinct": 16}
CONTENT = {
    "schema": 1,
    "method": {"prune": "2:4", "cluster": 16, "qat": False},
    "layers": [LAYER],
    "accuracy": None,
    "sha256": {"before": "b", "after": "a"},
}


@pytest.fixture
def beside(tmp_path):
    """A function from a content, or text, to what is read beside a model."""

    def read(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "compression.json").write_text(text)
        return read_beside(tmp_path / "model.keras")

    return read


def test_it_is_read_as_it_was_written(beside):
    assert beside(CONTENT) == CONTENT


def test_ranges_that_were_learnt_are_read_and_asked_for_in_vain_elsewhere(beside):
    content = beside({**CONTENT, "ranges": {"a": [0.0, 6.5]}})
    assert learned_ranges(content) == {"a": (0.0, 6.5)}
    with pytest.raises(ValueError, match="--ranges learned is for a .keras file that was trained"):
        learned_ranges(CONTENT)


def test_most_models_have_none(tmp_path):
    assert read_beside(tmp_path / "model.keras") is None


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "{",
        [],
        {**CONTENT, "schema": 2},
        {**CONTENT, "layers": {}},
        {**CONTENT, "sha256": None},
        {**CONTENT, "method": "prune"},
        {**CONTENT, "layers": [7]},
        {**CONTENT, "ranges": {"a": [1.0, 1.0]}},
        {**CONTENT, "ranges": {"a": [0.0, "6"]}},
        {**CONTENT, "ranges": [0, 6]},
        {**CONTENT, "layers": [{**LAYER, "sparsity": 2}]},
        {**CONTENT, "layers": [{**LAYER, "sparsity": "0.5"}]},
        {**CONTENT, "layers": [{**LAYER, "pattern": "1:2"}]},
        {**CONTENT, "layers": [{**LAYER, "distinct": 0}]},
        {**CONTENT, "layers": [{**LAYER, "weight": None}]},
    ],
)
def test_what_is_none_is_refused_in_one_line(beside, content):
    with pytest.raises(ArtifactError, match=r"compression.json is no compression.json of this"):
        beside(content)
