"""Start the STAND-IN, or the real tensorflow_model_server, as a process of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from export.serving.ledger import read_ledger
from export.serving.servers import modelserver

HERE = Path(__file__).resolve().parent
START_S = 60
REAL = shutil.which("tensorflow_model_server")


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    process: subprocess.Popen
    grpc_port: int
    rest_port: int

    @property
    def grpc(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"


@contextmanager
def standin(bundle: Path, ports: tuple[int, int] = (0, 0), max_message: int = -1):
    """Run the stand-in over the serving folder `bundle` until the end of the `with`.

    `ports` are of gRPC and REST, 0 for a free one; `max_message` is what gRPC takes, in bytes.
    """
    root = read_ledger(bundle).root
    command = [sys.executable, str(HERE / "model_server.py"), "--bundle", str(bundle)]
    command += ["--root", root, "--max-message", str(max_message)]
    command += ["--port", str(ports[0]), "--rest-port", str(ports[1])]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        try:
            line = process.stdout.readline()
            if not line:
                errors.seek(0)
                raise RuntimeError(f"the stand-in did not start: {errors.read()[-2000:]}")
            found = json.loads(line)
            yield Running(process, found["grpc"], found["rest"])
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def real_server(bundle: Path, ports: tuple[int, int] | None = None, max_message: int = -1):
    """Run tensorflow_model_server as compose.yaml does, over a bundle mounted at its own path."""
    grpc_port, rest_port = ports or (free_port(), free_port())
    given = {
        "port": grpc_port,
        "rest_api_port": rest_port,
        "model_config_file_poll_wait_seconds": 1,
        "grpc_channel_arguments": f"grpc.max_receive_message_length={max_message}",
    }
    flags = [f for f in modelserver.flags(str(bundle)) if f[2:].split("=")[0] not in given]
    flags += [f"--{name}={value}" for name, value in given.items()]
    process = subprocess.Popen([REAL, *flags])
    try:
        model = read_ledger(bundle).models[0].name
        wait_for(f"http://127.0.0.1:{rest_port}/v1/models/{model}/metadata", process)
        yield Running(process, grpc_port, rest_port)
    finally:
        process.kill()
        process.wait()


SERVERS = {"standin": standin, "real": real_server}


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Return once `url` answers; raises where the process ends, or time does."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}") from None
            time.sleep(0.2)
    raise TimeoutError(url)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
