"""Making a lane: once, whole, by one process at a time; with a fake interpreter, for speed."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from export.errors import MissingLane
from export.lanes import (
    ask_in_lane,
    find_lane,
    lanes_folder,
    leftovers,
    make,
    making,
    registry,
    run_in_lane,
)
from export.lanes.lane import RECEIPT, Lane
from export.process import ChildFailed

ROOT = Path(__file__).parents[3]

# It makes an environment out of itself, and does as FAKE_* say instead of installing.
FAKE = f"""#!{sys.executable}
import os, pathlib, shutil, sys, time
with open(os.environ["FAKE_LOG"], "a") as log:
    print(os.getpid(), *sys.argv[1:], file=log)
if sys.argv[1:3] == ["-m", "venv"]:
    folder = pathlib.Path(sys.argv[3], "bin")
    folder.mkdir(parents=True)
    shutil.copy(__file__, folder / "python")
elif "pip" in sys.argv:
    print("Collecting something", flush=True)
    if "FAKE_BYTES" in os.environ:
        count = int(os.environ["FAKE_BYTES"])
        pathlib.Path(os.environ["TMPDIR"], "wheel").write_bytes(bytes(count))
        time.sleep(0.5)
        print("Installing collected packages: something", flush=True)
        (pathlib.Path(sys.argv[0]).parents[1] / "installed").write_bytes(bytes(count))
        time.sleep(0.5)
    time.sleep(float(os.environ.get("FAKE_SECONDS", 0)))
    if "FAKE_ERROR" in os.environ:
        print("ERROR: " + os.environ["FAKE_ERROR"])
        print("[notice] a new release of pip is out")
        sys.exit(1)
elif "-c" in sys.argv and "FAKE_PROBE_ERROR" in os.environ:
    sys.exit("ImportError: " + os.environ["FAKE_PROBE_ERROR"])
"""

PROBE = "import tensorflow.python.compiler.tensorrt.trt_convert"
TINY = {
    "purpose": "a test",
    "machines": ("Linux x86_64",),
    "pythons": ((3, 99),),
    "probe": PROBE,
    "download_mb": 1,
    "disk_mb": 1,
    "minutes": 1,
}
# The same lane in a process of its own.
MAKER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export.lanes import making
from export.lanes.lane import Lane
home, python = map(Path, sys.argv[1:3])
making.find_interpreter = lambda versions: python
tiny = Lane(home=home, **{TINY!r})
making.make_lane(tiny, lambda about, doing: print(doing, flush=True))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The path of a fake interpreter, which the lane `tiny` is made with."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "pins.txt").write_text("something==1.0\n")
    python = tmp_path / "fake_python"
    python.write_text(FAKE)
    python.chmod(0o755)
    monkeypatch.setattr(registry, "LANES", {"tiny": Lane(home=tmp_path / "tiny", **TINY)})
    monkeypatch.setattr(making, "find_interpreter", lambda versions: python)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return python


def maker(fake, **environment):
    command = [sys.executable, "-c", MAKER, str(fake.parent / "tiny"), str(fake)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def steps(fake) -> list[str]:
    """What the fake interpreter was asked to do."""
    log = fake.parent / "log"
    kinds = {"venv": "-m venv", "pip": "-m pip", "probe": "-c import"}
    lines = log.read_text().splitlines() if log.exists() else []
    return [kind for line in lines for kind, words in kinds.items() if words in line]


def folders(fake) -> list[str]:
    return sorted(path.name for path in (fake.parent / "lanes").iterdir())


class Shown:
    """Progress that keeps what it is called with."""

    def __init__(self):
        self.steps, self.amounts = [], []

    def __call__(self, about, doing):
        self.steps.append((about, doing))

    def bar(self, about, done, total, unit):
        self.amounts.append((self.steps[-1][1], done, total, unit))


def test_a_lane_is_made_on_first_use_and_then_reused(fake):
    shown = Shown()
    assert find_lane("tiny").status == "possible"
    made = make("tiny", shown)
    assert steps(fake) == ["venv", "pip", "probe"]
    assert make("tiny", shown) == made
    assert steps(fake) == ["venv", "pip", "probe"]
    assert find_lane("tiny").status == "ready"
    assert made.folder == fake.parent / "lanes" / f"tiny-{made.digest[:12]}"
    assert json.loads((made.folder / RECEIPT).read_text())["requirements"] == made.digest
    assert folders(fake) == [made.folder.name], "nothing else is left, and no lock"


def test_size_and_time_are_said_beforehand_and_then_a_few_steps(fake):
    shown = Shown()
    made = make("tiny", shown)
    assert {about for about, _ in shown.steps} == {"tiny"}
    said = [doing for _, doing in shown.steps]
    assert "about 1 MB to download, 0.0 GB on disk, 1 minutes" in said[0]
    assert str(made.folder) in said[0]
    assert said[1:] == ["downloading packages", "trying the lane"]


def test_bytes_that_come_and_are_installed_are_an_amount(fake, monkeypatch):
    monkeypatch.setenv("FAKE_BYTES", "400000")
    monkeypatch.setattr(making, "INTERVAL", 0.01)
    shown = Shown()
    made = make("tiny", shown)
    said = [doing for _, doing in shown.steps]
    assert said[1:] == ["downloading packages", "installing packages", "trying the lane"]
    assert ("downloading packages", 400_000, 1_000_000, "bytes") in shown.amounts
    assert max(done for step, done, *_ in shown.amounts if step.startswith("inst")) >= 400_000
    assert not (made.folder / "downloads").exists()


def test_versions_with_other_pins_have_lanes_of_their_own(fake):
    ours = make("tiny").folder
    ino = ours.stat().st_ino
    pins = fake.parent / "tiny" / "pins.txt"
    pins.write_text("something==2.0\n")
    theirs = make("tiny").folder
    for version in ("1.0", "2.0") * 3:
        pins.write_text(f"something=={version}\n")
        make("tiny")
    assert steps(fake) == ["venv", "pip", "probe"] * 2
    assert folders(fake) == sorted([ours.name, theirs.name])
    assert ours.stat().st_ino == ino
    assert leftovers() == [ours], "the version of now uses the other one"


def test_a_lane_of_before_names_had_digests_is_reused_if_its_pins_are_ours(fake):
    made = make("tiny")
    old = made.folder.rename(made.folder.with_name("tiny"))
    assert find_lane("tiny").status == "ready"
    assert make("tiny").folder == old
    assert leftovers() == []
    made.requirements.write_text("something==2.0\n")
    assert make("tiny").folder != old
    assert leftovers() == [old]


def test_two_processes_at_once_make_it_once(fake):
    first, second = (maker(fake, FAKE_SECONDS="1") for _ in range(2))
    told = first.communicate()[0] + second.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert steps(fake) == ["venv", "pip", "probe"]
    assert told.count("making the lane tiny (a test)") == 1
    assert told.count("waiting for another process that is making the lane tiny") <= 1
    assert find_lane("tiny").status == "ready"


def folder_name() -> str:
    return registry.LANES["tiny"].folder.name


def wait_for_pip(fake) -> int:
    """The process of a fake pip that has started."""
    deadline = time.monotonic() + 30
    while "pip" not in steps(fake):
        assert time.monotonic() < deadline, "no maker started pip"
        time.sleep(0.02)
    line = next(line for line in (fake.parent / "log").read_text().splitlines() if "pip" in line)
    return int(line.split()[0])


def test_a_maker_that_is_killed_leaves_no_lane_and_its_pip_dies_with_it(fake):
    killed = maker(fake, FAKE_SECONDS="60")
    pip = wait_for_pip(fake)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pip) and psutil.Process(pip).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "pip outlived its parent"
        time.sleep(0.02)
    assert leftovers() == [registry.LANES["tiny"].folder.with_name(f"{folder_name()}.partial")]
    assert find_lane("tiny").status == "possible"

    make("tiny")
    assert steps(fake) == ["venv", "pip", "venv", "pip", "probe"]
    assert folders(fake) == [folder_name()]


def test_an_interrupted_maker_takes_its_litter_away(fake):
    interrupted = maker(fake, FAKE_SECONDS="60")
    wait_for_pip(fake)
    interrupted.send_signal(signal.SIGINT)
    interrupted.communicate()
    assert interrupted.returncode == -signal.SIGINT
    assert folders(fake) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: (made.folder / RECEIPT).unlink(),
        lambda made: (made.folder / RECEIPT).write_text("{"),
        lambda made: (made.folder / RECEIPT).write_text("[]"),
        lambda made: made.python.unlink(),
        lambda made: made.python.chmod(0o600),
    ],
    ids=["no receipt", "half a receipt", "another receipt", "no python", "not executable"],
)
def test_a_damaged_lane_is_made_again(fake, damage):
    made = make("tiny")
    (made.folder / "old").touch()
    damage(made)
    assert find_lane("tiny").status == "possible"
    make("tiny")
    assert find_lane("tiny").status == "ready"
    assert not (made.folder / "old").exists()


def test_a_pip_that_fails_is_told_in_one_line_with_the_fix(fake, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "No matching distribution found for something==1.0")
    with pytest.raises(MissingLane) as told:
        make("tiny")
    assert str(told.value) == (
        "the lane tiny could not be made: ERROR: No matching distribution found for "
        "something==1.0; check the network and run python tools/doctor.py --make-lanes"
    )
    assert folders(fake) == []


def test_a_lane_that_installs_but_does_not_import_is_not_ready(fake, monkeypatch):
    monkeypatch.setenv("FAKE_PROBE_ERROR", "libstdc++.so.6 is too old")
    with pytest.raises(MissingLane, match=r"libstdc\+\+\.so\.6 is too old"):
        make("tiny")
    assert find_lane("tiny").status == "possible"


def impossible(fake, why, fix):
    state = find_lane("tiny")
    assert state.status == "impossible"
    assert why in state.why
    assert fix in state.fix
    with pytest.raises(MissingLane) as told:
        make("tiny")
    assert str(told.value) == f"the lane tiny cannot exist here: {state.why}; {state.fix}"
    assert "\n" not in str(told.value)
    assert steps(fake) == []


@pytest.mark.parametrize("machine", [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "arm64")])
def test_another_platform_is_a_reason_with_a_fix(fake, monkeypatch, machine):
    monkeypatch.setattr("platform.system", lambda: machine[0])
    monkeypatch.setattr("platform.machine", lambda: machine[1])
    impossible(fake, f"this is {machine[0]} {machine[1]}", "container for linux/amd64")


def test_no_python_is_a_reason_with_a_fix(fake, monkeypatch):
    monkeypatch.setattr(making, "find_interpreter", lambda versions: None)
    impossible(fake, "it needs Python 3.99 to 3.99", "install Python 3.99 with its venv module")


def test_a_full_disk_is_a_reason_with_a_fix(fake, monkeypatch):
    usage = type("Usage", (), {"free": 999_999})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    impossible(fake, "it takes 1 MB and", "set KERAS_NETS_LANES to a folder on a larger disk")


def test_a_folder_that_cannot_be_written_is_a_reason_with_a_fix(fake, monkeypatch):
    real = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and real(path, mode))
    impossible(fake, "is not writable", "set KERAS_NETS_LANES to a folder that is")


def test_a_file_in_the_place_of_the_folder_is_a_reason_with_a_fix(fake, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "file"))
    impossible(fake, "file is no folder", "set KERAS_NETS_LANES to a folder that is")


def test_a_disk_that_fails_on_the_way_is_a_missing_lane_in_one_line(fake, monkeypatch):
    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MissingLane, match="made at .*no space left in .*lanes: .*_LANES"):
        make("tiny")
    assert not (fake.parent / "lanes" / "tiny").exists()


def test_lanes_live_where_the_user_says_or_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "mine"))
    assert lanes_folder() == tmp_path / "mine"
    monkeypatch.setenv("KERAS_NETS_LANES", "~/lanes")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lanes_folder() == tmp_path / "lanes"
    monkeypatch.delenv("KERAS_NETS_LANES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert lanes_folder() == tmp_path / "cache" / "keras-nets" / "lanes"


def test_a_real_environment_is_made_from_a_local_wheel(fake, tmp_path, monkeypatch):
    """pip itself, with no network: a package that the probe can import."""
    wheel = tmp_path / "tensorflow-0.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for folder in ("", "/python", "/python/compiler", "/python/compiler/tensorrt"):
            archive.writestr(f"tensorflow{folder}/__init__.py", "")
        archive.writestr("tensorflow/python/compiler/tensorrt/trt_convert.py", "")
        head = "Metadata-Version: 2.1\nName: tensorflow\nVersion: 0.1\n"
        archive.writestr("tensorflow-0.1.dist-info/METADATA", head)
        archive.writestr(
            "tensorflow-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("tensorflow-0.1.dist-info/RECORD", "")
    (tmp_path / "tiny" / "pins.txt").write_text(f"--no-index\n{wheel}\n")
    script = tmp_path / "tiny" / "work.py"
    script.write_text(
        "import tensorflow\n"
        "def work(job, arrays):\n"
        "    return {'file': tensorflow.__file__, **job}, {}\n"
    )
    monkeypatch.setattr(making, "find_interpreter", lambda versions: Path(sys.executable))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    answer, _ = run_in_lane("tiny", "work.py", {"n": 1}, {}, tmp_path)
    assert Path(answer["file"]).is_relative_to(tmp_path / "lanes" / folder_name())
    assert answer["n"] == 1
    compiler = Path(answer["file"]).parent / "python" / "compiler"

    for body, why in (("sys.exit('no')", "no"), ("raise ValueError('bad')", "ValueError: bad")):
        script.write_text(f"import sys\ndef work(job, arrays): {body}\n")
        with pytest.raises(ChildFailed, match=f"^the work failed: {why}$"):
            run_in_lane("tiny", "work.py", {}, {}, tmp_path, about="the work")
    answer, _ = ask_in_lane("tiny", "work.py", {}, {}, tmp_path)
    assert answer == {"error": "ValueError: bad"}
    (compiler / "tensorrt" / "trt_convert.py").unlink()
    for body in ("sys.exit('no')", "raise ValueError('bad')"):
        script.write_text(f"import sys\ndef work(job, arrays): {body}\n")
        with pytest.raises(MissingLane, match=r"lane tiny at .*tiny-\w+ is damaged; delete"):
            ask_in_lane("tiny", "work.py", {}, {}, tmp_path)
