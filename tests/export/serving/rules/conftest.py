"""A serving folder with nothing wrong, and copies of it to spoil."""

import shutil

import pytest
from toy_artifact import make_onnx, make_tftrt, make_toy

from export.serving.bundle import add


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """A folder of a SavedModel, a TF-TRT graph and an ONNX file."""
    out = tmp_path_factory.mktemp("clean")
    add(make_toy(out / "exports"), out / "deploy")
    add(make_tftrt(out / "exports", model="fast"), out / "deploy")
    add(make_onnx(out / "exports"), out / "deploy")
    return out / "deploy"


@pytest.fixture
def folder(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "deploy")
    return tmp_path / "deploy"
