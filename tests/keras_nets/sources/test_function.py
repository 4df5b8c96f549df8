"""`--model package.module:function`, on good days and bad ones."""

import sys

import numpy as np
import pytest

from keras_nets import sources
from keras_nets.errors import SourceError

MODULE = """
import keras

print("hello from the module")
ready = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="ready")
number = 5


class Nets:
    @staticmethod
    def small(units=3):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)], name="small")


def build(units=3, *, name="built"):
    print("hello from the function")
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)], name=name)


def nothing():
    return {"model": ready}


def broken(units=3):
    return build(units=units).nothing_of_this_name


def leaves():
    raise SystemExit("bye")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "nets_of_a_user.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("nets_of_a_user", "raises_on_import"):
        sys.modules.pop(name, None)


def refusal(words, **arguments) -> str:
    with pytest.raises(SourceError) as caught:
        sources.load(words, arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_function_is_called_with_its_arguments(capsys):
    loaded = sources.load("nets_of_a_user:build", {"units": 7, "name": "seven"})
    assert loaded.model.output_shape == (None, 7) and loaded.model.name == "seven"
    assert loaded.source.kind == "function" and len(loaded.source.sha256) == 64
    assert loaded.weights == "nets_of_a_user:build"
    # Standard output may be JSON.
    assert "hello" not in capsys.readouterr().out


def test_a_method_of_a_class_and_a_ready_model_do_too():
    assert sources.load("nets_of_a_user:Nets.small").model.name == "small"
    assert sources.load("nets_of_a_user:ready").model.name == "ready"


def test_the_same_seed_gives_the_same_weights_again():
    weights = [
        np.asarray(sources.load("nets_of_a_user:build", seed=seed).model.weights[0])
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("words", "arguments", "line"),
    [
        ("no_such_module:build", {}, "there is no module 'no_such_module'; run this in the folder"),
        ("keras.nothing:build", {}, "there is no module 'keras.nothing'"),
        ("nets_of_a_user:biuld", {}, "has no 'biuld'; did you mean build?"),
        ("nets_of_a_user:Nets.large", {}, "has no 'large'"),
        ("nets_of_a_user:number", {}, "is a int; name a function that returns a keras.Model"),
        ("nets_of_a_user:nothing", {}, "returned a dict; have it return a keras.Model"),
        ("nets_of_a_user:build", {"depth": 3}, "unexpected keyword argument 'depth'; it takes"),
        ("nets_of_a_user:ready", {"units": 3}, "is a model already, so it takes no --model-arg"),
        ("nets_of_a_user:broken", {}, "calling nets_of_a_user:broken failed: AttributeError"),
        ("nets_of_a_user:build", {"units": -1}, "calling nets_of_a_user:build failed: ValueError"),
        ("nets_of_a_user:leaves", {}, "failed: SystemExit: bye"),
    ],
)
def test_what_gives_no_model_is_one_line(words, arguments, line):
    assert line in refusal(words, **arguments)


def test_the_place_of_an_error_in_the_users_file_is_told(tmp_path):
    lines = MODULE.splitlines()
    at = next(n for n, line in enumerate(lines, start=1) if "nothing_of_this_name" in line)
    assert f"({tmp_path}/nets_of_a_user.py:{at})" in refusal("nets_of_a_user:broken")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1 / 0", "importing raises_on_import, for --model raises_on_import:f, failed: ZeroDiv"),
        ("import not_installed_at_all", "needs 'not_installed_at_all', which raises_on_import imp"),
        ("import sys; sys.exit(3)", "failed: SystemExit: 3"),
        ("def f(:", "failed: SyntaxError: invalid syntax (/"),
        ("\ndef f(:", "raises_on_import.py:2)"),
        ("raise ValueError('a\\nb')", "failed: ValueError: a b"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, code, line):
    (tmp_path / "raises_on_import.py").write_text(code)
    assert line in refusal("raises_on_import:f")
