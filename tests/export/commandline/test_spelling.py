"""What a user is told to type is what can be typed."""

import sys

import pytest

from export.commandline.options import make_parser
from export.commandline.spelling import spelled, typed


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("tools/export.py", ("python", "tools/convert_weights.py")),
        ("/anywhere/tools/console.py export", ("python", "tools/convert_weights.py")),
        ("/venv/bin/keras-nets", ("keras-nets", "convert-weights")),
        ("keras-nets export", ("keras-nets", "convert-weights")),
        ("/venv/lib/keras_nets_tools/export.py", ("keras-nets", "convert-weights")),
        ("-c", ("python", "tools/convert_weights.py")),
    ],
)
def test_a_tool_is_called_as_this_process_was(monkeypatch, script, words):
    monkeypatch.setattr(sys, "argv", [script])
    assert typed("convert_weights") == words


def test_texts_name_the_console_where_it_runs(monkeypatch):
    text = "run python tools/verify.py x, or see what tools/export.py wrote"
    monkeypatch.setattr(sys, "argv", ["tools/export.py"])
    assert spelled(text) == text
    monkeypatch.setattr(sys, "argv", ["keras-nets"])
    assert spelled(text) == "run keras-nets verify x, or see what keras-nets export wrote"
    other = "tools/gate_power.py is of a checkout, and tools/model_table.py is called table"
    table = "tools/gate_power.py is of a checkout, and keras-nets table is called table"
    assert spelled(other) == table
    assert "keras-nets verify x" in make_parser(text).format_help()
