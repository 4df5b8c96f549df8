"""Pages of libraries that go while nobody needs them."""

import subprocess
import sys

import pytest

from export import memory

LET_GO = """
import sys, psutil
import numpy, onnx, onnxruntime
from export.memory import unmap_libraries
before = psutil.Process().memory_info()
unmap_libraries()
after = psutil.Process().memory_info()
print(before.rss - after.rss)
a = numpy.random.default_rng(0).standard_normal((300, 300))
assert numpy.isfinite(numpy.linalg.inv(a @ a.T + numpy.eye(300))).all()
model = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
onnx.shape_inference.infer_shapes(model)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@linux
def test_a_process_goes_on_after_its_libraries_were_let_go_and_is_smaller():
    done = subprocess.run(
        [sys.executable, "-c", LET_GO], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 5_000_000


SMAPS = """\
7f00000000-7f00200000 r-xp 00001000 08:01 42 /lib/whole.so.2
Rss: 2048 kB
Shared_Dirty: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
Swap: 0 kB
VmFlags: rd ex
7f00200000-7f00400000 r--p 00001000 08:01 42 /lib/relocated.so
Shared_Dirty: 0 kB
Private_Dirty: 4 kB
Anonymous: 4 kB
Swap: 0 kB
7f00400000-7f00600000 rw-p 00001000 08:01 42 /lib/written.so
Shared_Dirty: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
Swap: 0 kB
7f00600000-7f00800000 r--p 00000000 00:00 0
Shared_Dirty: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
Swap: 0 kB
7f00800000-7f00801000 r-xp 00001000 08:01 42 /lib/small.so
Shared_Dirty: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
Swap: 0 kB
7f00900000-7f00b00000 r-xp 00001000 08:01 42 /lib/last.so
Shared_Dirty: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
Swap: 0 kB
"""


def test_only_what_is_as_in_a_library_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "SMAPS", tmp_path / "smaps")
    assert list(memory._unchanged()) == [], "no such file, as elsewhere than on Linux"
    (tmp_path / "smaps").write_text(SMAPS)
    wanted = [(0x7F00000000, 0x7F00200000), (0x7F00900000, 0x7F00B00000)]
    assert list(memory._unchanged()) == wanted
