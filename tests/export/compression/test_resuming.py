"""Where a training can be taken up again, and where not."""

from collections import namedtuple

import pytest

from export.compression.resuming import prepare_checkpoint
from export.compression.training import Training
from export.errors import ExportError, Shortage

BEGIN, RESUME = Training(), Training(resume=True)


def test_a_run_is_resumed_that_was_asked_for_alike(tmp_path):
    folder = prepare_checkpoint(tmp_path, {"prune": 0.5}, BEGIN, 10)
    assert prepare_checkpoint(tmp_path, {"prune": 0.5}, RESUME, 10) == folder


def test_another_run_is_not_mixed_up_with_it(tmp_path):
    prepare_checkpoint(tmp_path, {"prune": 0.5}, BEGIN, 10)
    with pytest.raises(ExportError, match="was asked for otherwise, or of other weights"):
        prepare_checkpoint(tmp_path, {"prune": 0.6}, RESUME, 10)
    with pytest.raises(ExportError, match="of an earlier run that did not end; continue it with"):
        prepare_checkpoint(tmp_path, {"prune": 0.6}, BEGIN, 10)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_what_is_no_checkpoint_is_not_resumed(tmp_path, content):
    if content is not None:
        (tmp_path / "checkpoint").mkdir()
        (tmp_path / "checkpoint" / "asked.json").write_text(content)
    with pytest.raises(ExportError, match="is not there, so there is nothing to resume"):
        prepare_checkpoint(tmp_path, {}, RESUME, 10)


def test_a_disk_that_is_too_small_is_seen_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(100, 1, 99)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    line = r"^checkpoints of the training take up to 100 bytes, and .* has 99 bytes free; free"
    with pytest.raises(Shortage, match=line):
        prepare_checkpoint(tmp_path / "out", {}, BEGIN, 10)
    assert list(tmp_path.iterdir()) == []
