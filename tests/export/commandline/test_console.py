"""A reader that leaves, as `head` does, is no failed check."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from export.commandline.console import make_console

ROOT = Path(__file__).parents[3]


def test_a_pipe_that_nobody_reads_is_left_to_the_caller():
    reader, writer = os.pipe()
    os.close(reader)
    file = os.fdopen(writer, "w")
    with pytest.raises(BrokenPipeError):
        make_console(file=file).print("a line")
    with pytest.raises(BrokenPipeError):  # what was not written is still to be
        file.close()


def test_a_tool_that_prints_a_table_ends_quietly_where_its_reader_leaves():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "tools/doctor.py"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
