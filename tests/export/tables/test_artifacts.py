import json

from report_content import content

from export.tables.artifacts import HEADER, cells, read_artifacts


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
