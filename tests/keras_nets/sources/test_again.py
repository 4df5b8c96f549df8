"""Building a model again from a report, which anybody can have written."""

import os

import pytest

from keras_nets import sources
from keras_nets.errors import SourceError
from keras_nets.sources import ModelSource

BUILD = """\
import keras


def net():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
"""


def refusal(**source) -> str:
    with pytest.raises(SourceError) as caught:
        sources.rebuild(ModelSource(**source))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "words", ["subprocess:call", "os:system", "pip:main", "keras.utils:get_file", "sys:exit"]
)
def test_no_installed_function_runs_because_a_report_names_it(words):
    line = refusal(kind="function", source=words)
    assert f"if you trust it, say --model {words}, or put its folder on PYTHONPATH" in line


@pytest.mark.parametrize("kind", ["catalog", "keras-file", "savedmodel", "anything"])
def test_a_report_cannot_pass_a_function_off_as_another_kind(kind):
    assert "name the model with --model" in refusal(kind=kind, source="os:system")


def test_no_installed_module_is_imported_because_a_report_names_it(tmp_path):
    file = tmp_path / "x.keras"
    file.touch()
    source = dict(kind="keras-file", source=str(file), custom_objects=("this", "antigravity"))
    assert "the report names code of the module 'this'" in refusal(**source)


def test_a_function_on_the_python_path_is_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "on_the_path.py").write_text(BUILD)
    source = ModelSource(kind="function", source="on_the_path:net")
    monkeypatch.syspath_prepend(tmp_path)  # as an installed module is
    with pytest.raises(SourceError, match="neither in this folder nor on PYTHONPATH"):
        sources.rebuild(source)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'other'}{os.pathsep}{tmp_path}")
    assert sources.rebuild(source).model.input_shape == (None, 4)


def test_a_module_that_has_changed_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "changes.py").write_text(BUILD)
    source = sources.load("changes:net").source
    (tmp_path / "changes.py").write_text(BUILD + "# more\n")
    assert sources.rebuild(source).note == "the module of changes:net has changed since the export"


def test_a_file_that_has_changed_or_is_gone_is_one_line(tmp_path):
    import keras

    path = tmp_path / "my.keras"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(path)
    source = sources.load(str(path)).source
    assert sources.rebuild(source).model.output_shape == (None, 2)
    model.layers[-1].kernel.assign(model.layers[-1].kernel + 1)
    model.save(path)
    line = refusal(**vars(source))
    assert f"{path} has changed since the export: its sha256 is" in line and "--model" in line
    path.unlink()
    assert "is not there; say with --model where it lies" in refusal(**vars(source))


@pytest.mark.parametrize("kind", ["keras-file", "savedmodel"])
def test_a_model_that_lies_elsewhere_is_asked_for_with_its_path(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # on another day, from another folder
    assert refusal(kind=kind, source="made/my.keras") == (
        "made/my.keras, which the artifact was made of, is not there; say with --model where it "
        "lies"
    )
