"""What is seen on standard error when something brings TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOISY = """\
import os, sys
os.write(2, b"I0000 00:00:1.2   3 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"To enable the following instructions: AVX2\\n")
os.write(2, b"somebody else's\\n")
"""


def seen(code: str, tmp_path, **settings) -> str:
    """Standard error of `code`, run where the module `noisy` is, in a user's environment."""
    (tmp_path / "noisy.py").write_text(NOISY)
    own = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    paths = os.pathsep.join(map(str, (ROOT, tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own | {"PYTHONPATH": paths} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


IMPORT = "from keras_nets.quiet import import_quietly as q; q('noisy')"


def test_lines_of_tensorflow_are_not_seen_and_others_are(tmp_path):
    assert seen(IMPORT, tmp_path) == "somebody else's\n"


@pytest.mark.parametrize("level", ["0", "1"])
def test_who_asks_for_them_sees_them(tmp_path, level):
    assert "oneDNN" in seen(IMPORT, tmp_path, TF_CPP_MIN_LOG_LEVEL=level)


def test_an_error_of_the_import_is_seen(tmp_path):
    said = seen(f"{IMPORT}; q('no_such_module')", tmp_path)
    assert "No module named 'no_such_module'" in said


def test_standard_error_may_be_closed(tmp_path):
    assert seen(f"import os; os.close(2); {IMPORT}; print('still here')", tmp_path) == ""


def test_loading_weights_brings_tensorflow_without_a_word(tmp_path):
    code = "import sys; from keras_nets import load_weights; assert 'tensorflow' in sys.modules"
    assert seen(f"{code}; import keras; keras.ops.ones(2)", tmp_path) == ""
