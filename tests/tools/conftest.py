"""What tests of several tools share."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_content import content

from export.process import child_of_script
from export.runtimes import tensorrt

STANDIN = Path(__file__).parents[1] / "standin" / "engine_script.py"


@pytest.fixture
def reported(tmp_path):
    """A function from the name of a format to a folder with a report of it, maybe changed."""

    def write(format: str, **changes) -> Path:
        report = content(model="toy", format=format) | changes
        report["options"] |= {"image": [8, 8, 3], "batch_sizes": [1, 4, 8]}
        (tmp_path / "report.json").write_text(json.dumps(report))
        return tmp_path

    return write


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A stand-in of the lane's script, which answers as an engine on a GPU would."""

    @contextmanager
    def in_lane(_lane, _script, scratch, *, about):
        with child_of_script(Path(sys.executable), STANDIN, scratch, about) as child:
            yield SimpleNamespace(ask=lambda job, arrays: child.ask({**job, "pretend": ""}, arrays))

    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path)
    monkeypatch.setattr(tensorrt, "child_in_lane", in_lane)


@pytest.fixture
def no_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt, "NVIDIA", tmp_path / "none")
