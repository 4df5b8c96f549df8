"""Formats that cannot be made beside others that can."""

import pytest

from export.aside import LEFT, Aside
from export.errors import ExportError


def fail(aside: Aside, error: Exception, **when) -> None:
    with aside.work("onnx", **when):
        raise error


@pytest.mark.parametrize("error", [ExportError("full"), ValueError("no text")])
def test_one_of_several_formats_is_set_aside_and_said(error):
    said = []
    aside = Aside(2, progress=lambda *words: said.append(words))
    fail(aside, error)
    with aside.work("savedmodel"):
        pass
    assert aside.errors == {"onnx": error} and said == [("onnx", LEFT)]


def test_the_only_format_that_is_asked_for_ends_the_export():
    aside = Aside(1, patient=True)
    with pytest.raises(ExportError, match="full"):
        fail(aside, ExportError("full"))


def test_what_comes_before_the_work_is_set_aside_only_for_the_patient():
    with pytest.raises(ValueError, match="no text"):
        fail(Aside(2), ValueError("no text"), early=True)
    patient = Aside(2, patient=True)
    fail(patient, ValueError("no text"), early=True)
    assert list(patient.errors) == ["onnx"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_bugs_and_interrupts_end_all_of_it(error):
    with pytest.raises(type(error)):
        fail(Aside(2, patient=True), error)
