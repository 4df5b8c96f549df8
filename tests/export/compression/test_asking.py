"""How far the lane is with a compression, as it writes and as it is shown."""

import json

from export.compression.asking import shown

LINE = {
    "stage": "pruning",
    "epochs": 2,
    "loss": 0.5,
    "accuracy": 1.0,
    "held_out": None,
    "batch_size": None,
}


def test_each_epoch_is_shown_also_one_that_ends_between_two_looks(tmp_path):
    lines = [{**LINE, "epoch": epoch, "pictures": 8, "of": 8} for epoch in (1, 2)]
    told, seen = tmp_path / "told", []
    with shown(told, "toy", lambda about, doing: seen.append(doing)):
        told.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert seen == ["pruning, epoch 1 of 2", "pruning, epoch 2 of 2"]


def test_a_batch_that_became_smaller_is_said(tmp_path):
    told, seen = tmp_path / "told", []
    with shown(told, "toy", lambda about, doing: seen.append(doing)):
        line = {**LINE, "epoch": 1, "pictures": 8, "of": 8, "batch_size": 8}
        told.write_text(json.dumps(line) + "\n")
    assert seen == ["pruning, epoch 1 of 2, 8 pictures a batch"]
