"""The door to heavy packages: what is missing or broken is said in one line."""

import sys

import pytest

from export.errors import ExportError, MissingPackage
from export.lazy import need


def test_a_package_that_is_there_is_imported():
    assert need("json.decoder", to="reading") is sys.modules["json.decoder"]


def test_a_missing_package_says_what_wanted_it_and_how_to_get_it():
    with pytest.raises(MissingPackage) as told:
        need("no_such_package.part", to="writing ONNX")
    assert str(told.value) == (
        "writing ONNX needs no_such_package, which gave ModuleNotFoundError: No module named "
        "'no_such_package'; run pip install no_such_package"
    )
    assert isinstance(told.value, ExportError)


@pytest.mark.parametrize(
    "body",
    [
        "raise AttributeError('module ml_dtypes has no attribute float4\\nand more')",
        "raise RuntimeError('built for another numpy')",
        "import",
    ],
)
def test_a_broken_package_is_named_with_its_own_words_in_one_line(tmp_path, monkeypatch, body):
    (tmp_path / "broken_package.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackage) as told:
        need("broken_package", to="running ONNX")
    assert str(told.value).startswith("running ONNX needs broken_package, which gave ")
    assert "\n" not in str(told.value)
    assert told.value.__cause__ is not None


def test_an_interrupt_during_an_import_stays_an_interrupt(tmp_path, monkeypatch):
    (tmp_path / "slow_package.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        need("slow_package", to="running ONNX")
