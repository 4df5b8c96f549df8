"""The commands of docs/serving.md do what the page says, with the stand-in for the container."""

import configparser
import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from standin_process import standin
from toy_artifact import make_onnx, make_toy

import tools.export
from export.serving.warmup import sample_png
from keras_nets import NETS

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", TEXT, re.DOTALL)
ELSEWHERE = ("pip install", "kubectl apply -", "docker run --rm")  # not run here
START = "docker compose -f deploy/compose.yaml up -d --wait"
EXPORT = "python tools/export.py"


@pytest.fixture
def place(tmp_path):
    """A folder that looks like the repository's root, where the commands leave their files."""
    for name in ("tools", "export", "keras_nets", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "cat.jpg").write_bytes(sample_png())
    return tmp_path


def run(command, place, running=None):
    command = command.replace("<digest>", "0" * 64)
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    if running:
        ports = {"8501": str(running.rest_port), "8500": str(running.grpc_port)}
        words = [re.sub("8501|8500", lambda m: ports[m[0]], word) for word in words]
    environment = os.environ | {"PYTHONPATH": str(place), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def export_toys(command, place):
    """Leave toys where the command of the page leaves artifacts."""
    args = tools.export._parser().parse_args(shlex.split(command)[2:])
    (name,) = args.model
    assert (name in NETS, args.format) == (True, ["savedmodel", "onnx"])
    make_toy(place / args.out, model=name, classify=bool(args.labels))
    make_onnx(place / args.out, model=name)


@pytest.mark.parametrize("export", [export_toys, pytest.param(run, marks=pytest.mark.slow)])
def test_a_stranger_gets_from_export_to_prediction_by_the_page_alone(place, export):
    printed, running = {}, None
    with ExitStack() as stack:
        for kind, block in BLOCKS:
            for command in [block] if kind == "python" else block.splitlines():
                if kind == "python":
                    run(shlex.join(["python", "-c", command]), place, running)
                elif command.startswith(EXPORT):
                    export(command, place)
                elif command == START:
                    running = stack.enter_context(standin(place / "deploy"))
                elif not command.startswith(ELSEWHERE):
                    printed[command] = run(command, place, running)
    answers = [out for command, out in printed.items() if "tools/client.py" in command]
    assert len(answers) == 4
    assert all("1 of 1 requests answered" in answer for answer in answers)
    (example,) = [out for command, out in printed.items() if "examples/" in command]
    assert len(example.splitlines()) == 5


def test_the_extra_that_the_page_installs_exists():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "tensorflow-serving-api" in config["options.extras_require"]["serving"]


def test_the_images_on_the_page_are_those_of_the_code():
    from export.serving.servers.modelserver import IMAGE, TFTRT_IMAGE

    assert set(re.findall(r"`(tensorflow/serving:[^`]+)`", TEXT)) == {IMAGE, TFTRT_IMAGE}
