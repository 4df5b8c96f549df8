"""The door to heavy packages: what is missing or broken is said in one line."""

import sys
from importlib import import_module

import pytest

from export.errors import ExportError, MissingPackage
from export.lazy import install, need, on_first_use


def test_a_package_that_is_there_is_imported():
    assert need("json.decoder", to="reading") is sys.modules["json.decoder"]


def test_a_missing_package_says_what_wanted_it_and_how_to_get_it():
    with pytest.raises(MissingPackage) as caught:
        need("no_such_package.part", to="writing ONNX")
    assert str(caught.value) == (
        "writing ONNX needs no_such_package, which gave ModuleNotFoundError: No module named "
        "'no_such_package'; run pip install no_such_package"
    )
    assert isinstance(caught.value, ExportError)


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
    with pytest.raises(MissingPackage) as caught:
        need("broken_package", to="running ONNX")
    assert str(caught.value).startswith("running ONNX needs broken_package, which gave ")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_interrupt_during_an_import_stays_an_interrupt(tmp_path, monkeypatch):
    (tmp_path / "slow_package.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        need("slow_package", to="running ONNX")


def test_a_name_is_imported_from_its_home_when_it_is_first_asked_for():
    attribute = on_first_use("package", {"JSONDecoder": "json.decoder", "absent": "no_such_home"})
    assert attribute("JSONDecoder") is sys.modules["json.decoder"].JSONDecoder
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'other'"):
        attribute("other")
    with pytest.raises(ModuleNotFoundError, match="no_such_home"):
        attribute("absent")


@pytest.mark.parametrize("package", ["export.serving.client", "export.skeleton"])
def test_a_package_that_imports_late_offers_each_of_its_names(package):
    module = import_module(package)
    assert [getattr(module, name).__name__ for name in module.__all__] == module.__all__


def test_how_to_install_names_the_extra_where_one_is_needed():
    assert install() == "in the toolkit's folder run pip install -e '.'"
    assert install("serving") == "in the toolkit's folder run pip install -e '.[serving]'"
