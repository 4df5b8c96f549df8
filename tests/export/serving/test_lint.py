"""A serving folder is checked by every rule; what each finds is tested in rules/."""

import pytest
from damage import edit
from toy_artifact import make_onnx, make_tftrt, make_toy

from export.errors import ExportError
from export.serving.bundle import add
from export.serving.lint import RULES, lint


@pytest.fixture
def folder(tmp_path):
    """A folder of a SavedModel, a TF-TRT graph and an ONNX file, with nothing wrong."""
    add(make_toy(tmp_path / "exports"), tmp_path / "deploy")
    add(make_tftrt(tmp_path / "exports", model="fast"), tmp_path / "deploy")
    add(make_onnx(tmp_path / "exports"), tmp_path / "deploy")
    return tmp_path / "deploy"


def test_a_clean_folder_has_no_finding(folder):
    assert lint(folder) == []


def test_a_folder_without_a_ledger_is_checked_as_far_as_it_goes(folder):
    (folder / "bundle.json").unlink()
    assert lint(folder) == []
    edit("models/toy/1/batching_params.pbtxt", "value: 8", "value: 16")(folder)
    assert len(lint(folder)) == 1


def test_only_a_serving_folder_can_be_checked(tmp_path):
    with pytest.raises(ExportError, match="no serving folder"):
        lint(tmp_path)


def test_every_rule_is_among_those_that_run():
    from importlib import import_module
    from inspect import getmembers, isgeneratorfunction

    names = ("batching", "configs", "manifests", "pods", "repository", "triton", "warmup")
    rules = {
        rule
        for module in (import_module(f"export.serving.rules.{name}") for name in names)
        for name, rule in getmembers(module, isgeneratorfunction)
        if not name.startswith("_") and rule.__module__ == module.__name__
    }
    assert rules == set(RULES)
