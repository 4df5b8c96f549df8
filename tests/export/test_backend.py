"""Exporting under another backend of Keras is refused before anything heavy is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import export
from export.backend import require_tensorflow
from export.errors import ExportError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """As before Keras was imported, with settings of the test's own."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


@pytest.mark.parametrize(
    "content", [None, "{}", '{"backend": "tensorflow"}', "[]", "no JSON", '{"floatx": "float16"}']
)
def test_tensorflow_is_what_keras_takes_where_nothing_is_said(fresh, content):
    if content is not None:
        fresh.write_text(content)
    require_tensorflow()


def test_a_backend_in_the_environment_goes_before_the_settings(fresh, monkeypatch):
    fresh.write_text(json.dumps({"backend": "jax"}))
    with pytest.raises(ExportError, match="set to 'jax'; set KERAS_BACKEND=tensorflow, which goes"):
        require_tensorflow()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    require_tensorflow()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ExportError, match="set to 'torch'; unset KERAS_BACKEND"):
        require_tensorflow()
    with pytest.raises(ExportError, match="unset KERAS_BACKEND"):
        export.export_model  # noqa: B018


def test_keras_that_is_loaded_already_says_so_itself(fresh, monkeypatch):
    class Loaded:
        class backend:
            backend = staticmethod(lambda: "jax")

    monkeypatch.setitem(sys.modules, "keras", Loaded)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # too late
    with pytest.raises(ExportError, match="set to 'jax'; start Python anew"):
        require_tensorflow()


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--model", "squeezenet1_1", "--format", "onnx"),
        ("verify", "nowhere"),
        ("evaluate", "nowhere", "--images", "."),
    ],
)
def test_the_tools_say_so_in_one_line(command, tmp_path):
    tool, *arguments = command
    environment = os.environ | {"KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: exporting needs Keras on TensorFlow")


LEAN = """
import sys
from export.backend import ALONG, load_keras
load_keras()
assert not set(ALONG) & sys.modules.keys(), sorted(set(ALONG) & sys.modules.keys())
assert "keras" in sys.modules and "tensorflow" in sys.modules
import matplotlib
load_keras()
assert sys.modules["matplotlib"] is matplotlib
"""


def test_keras_is_loaded_without_what_it_takes_along_which_can_be_imported_later():
    done = subprocess.run(
        [sys.executable, "-c", LEAN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
