"""Where a compressed network is written, and what is never replaced."""

import json

import keras
import pytest

from export.compression.place import publish, refuse_foreign
from export.errors import ExportError

CONTENT = {"schema": 1, "method": {}, "layers": [], "sha256": {"after": ""}}


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="own")


def test_what_a_compression_wrote_is_replaced(tmp_path, model):
    goal = tmp_path / "made" / "own.keras"
    for number in range(2):
        refuse_foreign(goal)
        publish(model, {**CONTENT, "number": number}, goal)
    assert sorted(path.name for path in goal.parent.iterdir()) == ["compression.json", "own.keras"]
    assert json.loads(goal.with_name("compression.json").read_text())["number"] == 1
    assert keras.saving.load_model(goal).name == "own"


@pytest.mark.parametrize("beside", [None, "{}", json.dumps({**CONTENT, "schema": 7})])
def test_what_somebody_else_wrote_is_kept(tmp_path, model, beside):
    goal = tmp_path / "own.keras"
    goal.write_text("mine")
    if beside:
        goal.with_name("compression.json").write_text(beside)
    for place in (lambda: refuse_foreign(goal), lambda: publish(model, CONTENT, goal)):
        with pytest.raises(ExportError, match=r"own.keras is there, and no compression.json"):
            place()
    assert goal.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1 + bool(beside)


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"own.keras is a folder; choose another --out"):
        (tmp_path / "own.keras").mkdir()
        refuse_foreign(tmp_path / "own.keras")


def test_a_file_that_was_put_in_the_place_of_ours_is_kept(tmp_path, model):
    goal = tmp_path / "own.keras"
    written = publish(model, CONTENT, goal)
    assert len(written["sha256"]["file"]) == 64
    refuse_foreign(goal)
    goal.write_text("mine")
    with pytest.raises(ExportError, match=r"own.keras is another file than the one that was comp"):
        refuse_foreign(goal)


def test_the_record_of_another_network_is_kept(tmp_path, model):
    publish(model, CONTENT, tmp_path / "own.keras")
    before = (tmp_path / "compression.json").read_text()
    with pytest.raises(ExportError, match=r"compression.json is of another network than other.ker"):
        publish(model, {**CONTENT, "layers": [1]}, tmp_path / "other.keras")
    assert (tmp_path / "compression.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compression.json", "own.keras"]
