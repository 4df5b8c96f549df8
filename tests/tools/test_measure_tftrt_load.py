"""What loading takes is measured in the lane; here a stand-in answers for it."""

import json

import pytest
from report_content import content

from tools import measure_tftrt_load


@pytest.fixture
def artifact(tmp_path):
    """A function from the name of a format to a folder with a report of it."""

    def write(format: str):
        (tmp_path / "report.json").write_text(json.dumps(content(model="toy", format=format)))
        return tmp_path

    return write


def test_both_forms_are_loaded_in_both_ways_in_the_format_s_lane(artifact, monkeypatch, capsys):
    asked = []

    def in_lane(lane, script, job, arrays, scratch):
        asked.append((lane, script, job["do"]))
        return {"seconds": 1.5, "imports_bytes": 0, "peak_bytes": 2 * 532_178_432}, {}

    monkeypatch.setattr("export.lanes.run_in_lane", in_lane)
    assert measure_tftrt_load.main([str(artifact("tftrt-fp16"))]) == 0
    assert asked == [
        ("tf217", "load.py", do) for do in ("resave", "load", "session", "load", "session")
    ]
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [(row[2], row[3]) for row in rows] == [
        ("graph", "load"), ("graph", "session"), ("function", "load"), ("function", "session")
    ]  # fmt: skip
    assert {row[-1] for row in rows} == {"2.0 |"}


def test_an_artifact_of_another_kind_is_refused(artifact, capsys):
    with pytest.raises(SystemExit) as ended:
        measure_tftrt_load.main([str(artifact("onnx"))])
    assert ended.value.code == 2
    assert "is of format onnx; name a TF-TRT artifact" in capsys.readouterr().err
