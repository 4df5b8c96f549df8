"""What a report keeps of a model's source, and what is read of it."""

import json

import pytest

from keras_nets.errors import SourceError
from keras_nets.sources.source import ModelSource

KEPT = ModelSource(
    kind="function",
    source="nets:build",
    arguments={"classes": 10, "shape": (64, 64, 3)},
    custom_objects=("layers",),
    sha256="ab",
)


def test_a_source_comes_back_from_json():
    read = ModelSource.of(json.loads(json.dumps(KEPT.as_dict())))
    assert read.as_dict() == KEPT.as_dict() | {"arguments": {"classes": 10, "shape": [64, 64, 3]}}
    assert read.custom_objects == ("layers",)


def test_modules_stand_in_a_report_only_where_there_are_some():
    assert "custom_objects" not in ModelSource(kind="catalog", source="vgg13").as_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": None},
        {"source": 5},
        {"source": "x" * 5000},
        {"sha256": ["ab"]},
        {"arguments": [1]},
        {"arguments": {"not a name": 1}},
        {"custom_objects": "os"},
        {"custom_objects": [1]},
    ],
)
def test_a_damaged_source_is_one_line(change):
    with pytest.raises(SourceError, match="model_source is damaged; name the model with --model"):
        ModelSource.of(KEPT.as_dict() | change)
