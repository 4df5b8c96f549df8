"""Real servers of other projects, each in an environment of its own, on loopback.

They are made below build/servers at first use (450 MB each) and kept, under the digest of what is
in them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from standin_process import free_port

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / "build" / "servers"
LOOPBACK = "127.0.0.1"
START_S = 180
# The last wheel of tritonserver with a Python backend; it wants numpy below 2.
TRITON = ("nvidia-pytriton==0.7.0", f"onnxruntime=={version('onnxruntime')}")
KSERVE = ("kserve==0.21.0",)


@dataclass(frozen=True)
class Server:
    """A process that answers, and the file of what it prints."""

    http_port: int
    grpc_port: int
    log: Path


def environment(requirements: tuple[str, ...]) -> Path:
    """Return the folder of a virtual environment with `requirements`, made if it is not there."""
    words = " ".join((sys.version.split()[0], *requirements))
    name = requirements[0].partition("=")[0]
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *requirements], check=True, stdout=subprocess.DEVNULL)
        complete.write_text(words)
    return folder


@contextmanager
def tritonserver(repository: Path, scratch: Path) -> Iterator[tuple[Server, Path]]:
    """Run Triton over `repository`; yield it, and the file of the batches that it ran."""
    folder = environment(TRITON)
    (site,) = folder.glob("lib/python3.*/site-packages")
    home = site / "pytriton" / "tritonserver"
    backend = scratch / "backends" / "onnxruntime"
    backend.mkdir(parents=True)
    shutil.copy(HERE / "real" / "triton_backend.py", backend / "model.py")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (
        home / "backends" / "python" / "triton_python_backend_utils.py",
        home / "python_backend_stubs" / python / "triton_python_backend_stub",
    ):
        shutil.copy(path, backend)
    shutil.copytree(home / "backends" / "python", backend.parent / "python")
    libraries = (site / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR"))
    http, grpc = free_port(), free_port()
    command = [home / "bin" / "tritonserver", f"--model-repository={repository}"]
    command += [f"--backend-directory={backend.parent}", "--exit-on-error=false"]
    command += [f"--http-address={LOOPBACK}", f"--http-port={http}", "--allow-metrics=false"]
    command += [
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={grpc}",
        "--disable-auto-complete-config",
    ]
    settings = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PYTHONPATH": str(site),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    }
    live = f"http://{LOOPBACK}:{http}/v2/health/live"
    with _running(command, settings, live, scratch / "tritonserver.log") as log:
        yield Server(http, grpc, log), backend / "batches.txt"


@contextmanager
def kserve_server(kernel: Path, scratch: Path) -> Iterator[Server]:
    """Run KServe's server over a model `toy` that multiplies by the matrix in `kernel`, a .npy."""
    folder, port = environment(KSERVE), free_port()
    command = [folder / "bin" / "python", HERE / "real" / "kserve_model.py", port, kernel]
    ready = f"http://{LOOPBACK}:{port}/v1/models/toy"
    with _running(command, {}, ready, scratch / "kserve.log") as log:
        yield Server(port, 0, log)


@contextmanager
def _running(command: list, settings: dict[str, str], url: str, log: Path) -> Iterator[Path]:
    """Run `command` until the end of the context; begin once `url` answers."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=clean | settings,
            start_new_session=True,
        )
    try:
        _wait_for(url, process, log)
        yield log
    finally:
        _stop(process)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended: {log.read_text()[-3000:]}") from None
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not answer: {log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
