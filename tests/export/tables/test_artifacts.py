import json

from report_content import content

from export.tables.artifacts import HEADER, cells, notes, read_artifacts


def test_a_row_is_what_the_report_says(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name / "onnx").mkdir(parents=True)
        said = content() | {"model": name}
        (tmp_path / name / "onnx" / "report.json").write_text(json.dumps(said))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "report.json").write_text("{")
    rows, unread = read_artifacts([tmp_path])
    assert [row.model for row in rows] == ["a", "b"]
    assert rows[0].bytes == content()["artifact"]["bytes"]
    assert len(cells(rows[0])) == len(HEADER)
    assert len(unread) == 1 and "c/report.json" in unread[0]


def test_what_ranges_are_from_and_why_one_failed_is_said_once_each(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        said = content() | {"model": name, "format": "onnx-int8"}
        said["calibration"] = {"source": "synthetic", "count": 8}
        if name == "b":
            said["checks"] = [
                {**said["checks"][0], "name": "parity", "status": "failed", "note": "too far off"}
            ]
        (tmp_path / name / "report.json").write_text(json.dumps(said))
    rows, _ = read_artifacts([tmp_path])
    assert notes(rows) == [
        "Ranges of onnx-int8 are from 8 synthetic images.",
        "b in onnx-int8 failed: parity: too far off.",
    ]
