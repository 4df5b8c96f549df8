"""What a child, or anybody, says of an exception: one line. And what it imports early."""

import subprocess
import sys
from pathlib import Path

import pytest

from export.child import in_a_line
from export.errors import ArtifactError
from export.process import ask_script


class OpError(Exception):
    """As a session of TensorFlow raises it: around one that has the words of the operation."""

    message = "2 root error(s) found.\n  (0) no kernel for it"


def in_session():
    try:
        raise OpError("a trace")
    except OpError:
        raise RuntimeError("Graph execution error:\n\na trace") from None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("disk is full"), "OSError: disk is full"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (
            RuntimeError(
                "Exception from a.cpp:84:\nCheck 'x < y' failed at b.hpp:37:\nno port 0\n\n"
            ),
            "RuntimeError: no port 0",
        ),
        (ValueError("\n\n  third\n"), "ValueError: third"),
        (RuntimeError(), "RuntimeError"),
        (ArtifactError("it is gone;\nexport it again"), "it is gone; export it again"),
    ],
)
def test_an_error_in_a_line_is_its_class_and_the_first_line_of_what_it_says(error, line):
    assert in_a_line(error) == line


def test_what_a_session_wraps_is_told_in_the_words_of_the_operation():
    with pytest.raises(RuntimeError) as raised:
        in_session()
    assert in_a_line(raised.value) == "RuntimeError: (0) no kernel for it"


def in_another_process(body: str, *paths: Path) -> str:
    head = (
        f"import sys; sys.path[:0] = {[*map(str, paths)]}; from export.child import import_early; "
    )
    done = subprocess.run(
        [sys.executable, "-c", head + body], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_package_that_takes_keras_along_is_imported_early_without_it(tmp_path):
    (tmp_path / "greedy.py").write_text("try:\n    import keras\nexcept ImportError:\n    pass\n")
    (tmp_path / "keras.py").write_text("print('loaded')")
    body = "import_early(['greedy']); print('greedy' in sys.modules, 'keras' in sys.modules); "
    printed = in_another_process(body + "import keras", tmp_path, Path.cwd())
    assert printed == "True False\nloaded", "it can still be imported where it is needed"


def test_what_cannot_be_imported_early_is_left_to_the_work(tmp_path):
    (tmp_path / "broken.py").write_text("raise AttributeError('another numpy')")
    body = "import_early(['broken', 'nowhere', 'wave']); print('wave' in sys.modules)"
    assert in_another_process(body, tmp_path, Path.cwd()) == "True"


SCRIPT = """
import numpy

def pages():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssFile:"))

IMPORTED = pages()

def work(job, arrays):
    return {"imported": IMPORTED, "waited": pages(), "half": numpy.linalg.inv([[2.0]])[0, 0]}, {}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_child_waits_for_its_job_without_the_pages_of_its_libraries(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    answer, _ = ask_script(Path(sys.executable), tmp_path / "script.py", {}, {}, tmp_path)
    assert answer["error"] == "" and answer["half"] == 0.5
    assert answer["waited"] < answer["imported"]
