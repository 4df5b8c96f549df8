"""The object of an export: it keeps no model, and what it holds is gone when it ends."""

import gc
import sys
import threading
import time
import weakref
from contextvars import ContextVar
from unittest import mock

import keras
import psutil
import pytest

from export import exporting
from export.errors import ExportError
from export.exporting import Export
from export.observe import ahead
from export.observe.artifact import observe
from export.options import Options
from export.pipeline import export_model


@pytest.fixture(autouse=True)
def quick(here, monkeypatch):
    """Look at artifacts in this process, and draw no pages."""
    monkeypatch.setattr("export.exporting.draw", mock.Mock())


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


def test_what_looks_at_the_artifact_is_started_early_and_ends_with_an_export_that_fails(
    toy, tmp_path, monkeypatch
):
    alive = []
    before = {child.pid for child in psutil.Process().children()}  # of tests that ran before

    def write(*_):
        alive.extend({child.pid for child in psutil.Process().children()} - before)
        raise ExportError("full")

    monkeypatch.setattr("export.process._in_this_process", ContextVar("another", default=False))
    monkeypatch.setattr("export.formats.onnx.Onnx.write", write)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)  # of tests that ran before
    with pytest.raises(ExportError, match="full"), Export(tmp_path, ["onnx"]) as export:
        export.write(toy("plain"))
    assert len(alive) == 1
    assert not psutil.pid_exists(alive[0])


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


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_artifacts_as_asked_for_are_looked_at_at_once(toy, tmp_path, monkeypatch, jobs):
    busy, names = [], ["savedmodel", "onnx"]  # of those that are busy at each turn
    real = exporting.examine

    def examine(*args):
        busy.append([name for name, one in export._ahead._children.items() if one.busy])
        return real(*args)

    monkeypatch.setattr(exporting, "examine", examine)
    with Export(tmp_path, names) as export:
        export.write(toy("plain"), options=Options(jobs=jobs))
        assert [report.passed for report in export.judge()] == [True, True]
    assert busy == [names[:jobs], names[1:]]


@pytest.mark.parametrize("room", [True, False])
def test_an_artifact_is_looked_at_while_noise_is_measured_where_there_is_room(
    toy, tmp_path, monkeypatch, room
):
    asked = mock.Mock(return_value=room)
    monkeypatch.setattr(exporting, "may_look", asked)
    with Export(tmp_path, ["onnx", "savedmodel"]) as export:
        export.write(toy("plain"))
        busy = {name: one.busy for name, one in export._ahead._children.items()}
        assert busy == {"onnx": room}
        ((seen, spent), _), *others = asked.call_args_list
        assert 0 < seen.weight_bytes <= 4 * toy("plain").count_params() < spent.peak_rss_bytes
        assert others == [], "one is enough beside that"
        assert [report.passed for report in export.judge()] == [True, True]


def test_no_memory_is_given_back_while_libraries_are_loaded(toy, tmp_path, monkeypatch):
    """A page of a library may be written, by who loads it, after it was found to be unchanged."""
    done, loaded = [], threading.Event()

    def load():
        loaded.wait(30)
        time.sleep(0.2)
        done.append("loaded")

    def look(self, *asked):
        loaded.set()
        return look_ahead(self, *asked)

    look_ahead = exporting.Ahead.look
    monkeypatch.setattr(exporting, "load", load)
    monkeypatch.setattr(exporting, "may_look", lambda *_: False)
    with Export(tmp_path, ["onnx"]) as export:
        export.write(toy("plain"))
        monkeypatch.setattr(exporting.Ahead, "look", look)
        monkeypatch.setattr(exporting, "give_memory_back", lambda: done.append("given back"))
        export.judge()
    assert done == ["loaded", "given back"]


def test_a_disk_that_reports_an_error_while_artifacts_are_judged_ends_the_export(
    toy, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "sync_tree", mock.Mock(side_effect=OSError(5, "I/O error")))
    with pytest.raises(OSError, match="I/O error"), Export(tmp_path, ["onnx"]) as export:
        export.write(toy("plain"))
        export.judge()
    assert not (tmp_path / "plain" / "onnx").exists()


def test_less_than_one_job_is_a_wrong_argument():
    with pytest.raises(ValueError, match="at least 1 artifact is looked at at once. Received: 0"):
        Options(jobs=0)


def test_a_format_that_fails_late_is_set_aside_and_the_other_is_put_in_its_place(
    toy, tmp_path, monkeypatch
):
    failing = mock.Mock(side_effect=ExportError("full"))
    monkeypatch.setattr("export.formats.onnx.Onnx.write", failing)
    with Export(tmp_path, ["onnx", "savedmodel"]) as export:
        export.write(toy("plain"))
        (report,) = export.judge()
    assert (report.format, report.passed) == ("savedmodel", True)
    assert {name: str(error) for name, error in export.unable.items()} == {"onnx": "full"}
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["savedmodel"]
    with pytest.raises(ExportError, match="full"):
        export_model(toy("plain"), ["onnx", "savedmodel"], tmp_path / "python")
    assert (tmp_path / "python" / "plain" / "savedmodel" / "report.json").exists()


def test_an_artifact_that_cannot_be_looked_at_keeps_no_other_from_its_place(
    toy, tmp_path, monkeypatch
):
    def look(format_name, *_):
        if format_name == "savedmodel":
            raise ExportError("observe was killed")
        return observe(format_name, *_)

    monkeypatch.setattr("export.gate.examine.observe", look)
    with Export(tmp_path, ["savedmodel", "onnx"]) as export:
        export.write(toy("plain"))
        assert [report.format for report in export.judge()] == ["onnx"]
    assert list(export.unable) == ["savedmodel"]
    assert not (tmp_path / ".staging").exists()


def test_what_does_not_start_ahead_is_started_in_its_turn(toy, tmp_path, monkeypatch):
    """Of savedmodel before it is written; of onnx while savedmodel is looked at."""
    asked, real = [], ahead.observer

    def observer(format, *args, **how):
        asked.append(format.name)
        if asked.count(format.name) == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(format, *args, **how)

    monkeypatch.setattr(ahead, "observer", observer)
    with Export(tmp_path, ["savedmodel", "onnx"]) as export:
        export.write(toy("plain"), options=Options(jobs=2))
        assert [(report.format, report.passed) for report in export.judge()] == [
            ("savedmodel", True),
            ("onnx", True),
        ]
    assert asked == ["savedmodel", "savedmodel", "onnx", "onnx"]
    assert export.unable == {}


def test_an_artifact_that_no_process_looks_at_is_told_in_a_line(toy, tmp_path, monkeypatch):
    failing = mock.Mock(side_effect=BlockingIOError(11, "Resource temporarily unavailable"))
    monkeypatch.setattr(ahead, "observer", failing)
    with (
        pytest.raises(ExportError, match="^the process that looks at onnx does not start: Res"),
        Export(tmp_path, ["onnx"]) as export,
    ):
        export.write(toy("plain"))
        export.judge()


def test_nothing_is_run_where_no_format_is_left(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("export.formats.base.Format.apart", lambda *_: "it has a loop")
    monkeypatch.setattr(
        "export.observe.model.observe_model", mock.Mock(side_effect=AssertionError("it was run"))
    )
    with Export(tmp_path, ["savedmodel", "onnx"], patient=True) as export:
        export.write(toy("plain"))
        assert export.judge() == []
    assert list(map(str, export.unable.values())) == ["it has a loop"] * 2
    with (
        pytest.raises(ExportError, match="a loop"),
        Export(tmp_path, ["savedmodel", "onnx"]) as export,
    ):
        export.write(toy("plain"))


def test_an_export_that_fails_does_not_wait_for_all_of_the_noise(toy, tmp_path, monkeypatch):
    ended = []

    def measure(seen, skeleton, formats, keep, stop):
        ended.append(stop.wait(60))
        return seen

    monkeypatch.setattr("export.observe.model.with_noise", measure)
    monkeypatch.setattr("export.formats.onnx.Onnx.write", mock.Mock(side_effect=ExportError("no")))
    with pytest.raises(ExportError, match="^no$"):
        export_model(toy("plain"), ["onnx"], tmp_path)
    assert ended == [True]
