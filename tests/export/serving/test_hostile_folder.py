"""A serving folder that somebody made to hang its checker, or to fill its memory."""

import os
import shutil

import pytest
from toy_artifact import make_onnx, make_tftrt

from export.serving.bundle import add
from export.serving.lint import lint

VERSION = "models/fast/1"
WARMUP = f"{VERSION}/assets.extra/tf_serving_warmup_requests"
SIZES = f"{VERSION}/batching_params.pbtxt"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    out = tmp_path_factory.mktemp("clean")
    add(make_tftrt(out / "exports", model="fast"), out / "deploy")
    add(make_onnx(out / "exports"), out / "deploy")
    return out / "deploy"


@pytest.fixture
def folder(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "deploy")
    return tmp_path / "deploy"


PIPES = ("models.config", "compose.yaml", "triton/toy/config.pbtxt", SIZES, WARMUP)


@pytest.mark.parametrize("name", [*PIPES, f"{VERSION}/saved_model.pb", "bundle.json"])
def test_a_pipe_in_the_place_of_a_file_is_found_and_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert lint(folder) != []


@pytest.mark.parametrize(
    "text",
    [
        "a: &0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"b{n}: &{n} [{', '.join([f'*{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "[" * 100_000,
        "a: &0 [*0]",
    ],
)
def test_yaml_that_unfolds_without_end_is_found_at_once(folder, text):
    (folder / "compose.yaml").write_text(text)
    assert any("compose.yaml" in finding.path for finding in lint(folder))
