"""Where time and memory of a command go, by its own lines and by process."""

import sys

from export.stages import FIRST, LAST, profile

CHILD = "import time; held = b'x' * 200_000_000; time.sleep(0.6)"
SCRIPT = f"""
import subprocess, sys, time
def say(line): print(line, file=sys.stderr, flush=True)
time.sleep(0.3)
say("   0.3 s  toy  computing")
end = time.process_time() + 0.5
while time.process_time() < end: pass
say("a line of somebody else")
say("   0.8 s  onnx  verifying")
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
say("   1.4 s  in all  0.5 s computing, 0.6 s verifying")
time.sleep(0.3)
sys.exit(3)
"""


def test_each_stage_has_its_time_and_its_processes(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(SCRIPT)
    took = profile([sys.executable, str(script)])
    assert took.status == 3
    assert [stage.name for stage in took.stages] == [FIRST, "computing", "verifying", LAST]
    _, computing, verifying, _ = took.stages
    assert computing.parts["work.py"].cpu_s > 0.3
    assert verifying.wall_s > 0.4
    assert verifying.peak_rss_bytes > 200_000_000 > computing.peak_rss_bytes
    # One that was gone before it was asked for its name is called "?".
    assert len(verifying.parts.keys() - {"?"}) == 2
    assert took.peak_rss_bytes == verifying.peak_rss_bytes
    assert took.wall_s >= sum(stage.wall_s for stage in took.stages) - 0.1


def test_a_command_without_lines_is_one_stage():
    took = profile([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"])
    assert [stage.name for stage in took.stages] == [FIRST]
    assert took.status == 0 and took.cpu_s > 0
