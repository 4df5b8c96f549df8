"""Processes of an evaluation end with it, however it ends."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
from number_network import load, make_examples, read

from export.evaluation.predictor import Predictor
from export.evaluation.readers import Readers

ROOT = Path(__file__).parents[3]


def test_a_killed_evaluation_leaves_no_process_behind(tmp_path):
    examples = make_examples(tmp_path / "pictures")
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], f'{sys.argv[1]}/tests/standin']\n"
        "from tests.export.evaluation.test_child import run_until_killed\n"
        "run_until_killed(*sys.argv[2:])"
    )
    command = [sys.executable, "-c", code, ROOT, examples.folder, tmp_path / "log"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = running.stdout.readline()
    running.kill()
    processes = [psutil.Process(int(number)) for number in line.split()]
    assert len(processes) == 3  # two workers and the network
    running.communicate(timeout=20)  # returns once nobody holds standard output any more
    gone, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def run_until_killed(folder: str, log: str) -> None:
    """Start two workers and a network, print their numbers, and wait. For another process."""
    with Readers(2) as readers, Predictor("net/a", partial(load, Path(log)), 7):
        paths = sorted(Path(folder).iterdir())
        next(readers.batches(read, paths, 2))
        own = [child for child in psutil.Process().children() if "fork" in str(child.cmdline())]
        print(*(child.pid for child in own), flush=True)
        time.sleep(60)
