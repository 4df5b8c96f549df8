"""The object of an export: it keeps no model, and what it holds is gone when it ends."""

import gc
import threading
import weakref
from unittest import mock

import keras
import pytest

from export.errors import ExportError
from export.exporting import Export


@pytest.fixture(autouse=True)
def quick(here, monkeypatch):
    """Look at artifacts in this process, and draw no pages."""
    monkeypatch.setattr("export.exporting.write_page", mock.Mock())


def samplers() -> int:
    return sum(thread.name.endswith("(_watch)") for thread in threading.enumerate())


def test_nothing_in_an_export_keeps_the_model_when_it_judges(toy, tmp_path):
    model = keras.models.clone_model(toy("plain"))
    alive = weakref.ref(model)
    with Export(tmp_path, ["savedmodel", "onnx"]) as export:
        export.write(model)
        del model
        gc.collect()
        assert alive() is None
        assert [report.passed for report in export.judge()] == [True, True]


def test_an_export_that_is_never_judged_leaves_nothing(toy, tmp_path):
    gc.collect()
    before = samplers()
    with Export(tmp_path / "exports", "onnx") as export:
        export.write(toy("plain"))
        assert (tmp_path / "exports" / ".staging").exists()
        assert samplers() == before + 1
    assert list((tmp_path / "exports").iterdir()) == []
    assert samplers() == before


def test_an_export_that_fails_ends_its_meter(toy, tmp_path, monkeypatch):
    failing = mock.Mock(side_effect=ExportError("full"))
    monkeypatch.setattr("export.formats.onnx.Onnx.write", failing)
    gc.collect()
    before = samplers()
    with pytest.raises(ExportError, match="full"), Export(tmp_path, ["onnx"]) as export:
        export.write(toy("plain"))
    assert samplers() == before


def test_steps_in_a_wrong_order_say_what_to_call(toy, tmp_path):
    with Export(tmp_path, ["onnx"]) as export:
        with pytest.raises(ValueError, match="nothing to judge; call write"):
            export.judge()
        export.write(toy("plain"))
        with pytest.raises(ValueError, match="written already; call judge"):
            export.write(toy("plain"))
        (report,) = export.judge()
        assert report.passed
        with pytest.raises(ValueError, match="nothing to judge; call write"):
            export.judge()
