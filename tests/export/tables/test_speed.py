import pytest

from export.errors import ArtifactError
from export.tables.speed import read_records, speed_table


def record(**more):
    known = {"model": "vgg13", "format": "onnx", "runtime": "onnxruntime", "device": "cpu"}
    return {**known, "batch": 1, "median_ms": 12.345, "valid": True, **more}


def test_batches_are_columns_and_what_is_published_stands_beside():
    records = [record(), record(batch=4, median_ms=40.0)]
    header, align, rows = speed_table(records, {"vgg13": {"T4 (published)": 4.64684}})
    assert header[4:] == ("batch 1, ms", "batch 4, ms", "T4 (published)")
    assert rows == [["vgg13", "onnx", "onnxruntime", "cpu", "12.3", "40", "4.64684"]]
    assert len(align) == len(header)


def test_what_is_in_doubt_is_marked_and_what_was_not_measured_says_why():
    records = [record(valid=False, why="unstable"), record(batch=4, median_ms=None, valid=False)]
    records += [
        record(runtime="tensorrt", device="gpu", median_ms=None, why="needs a GPU", valid=0)
    ]
    _, _, rows = speed_table(records, {})
    assert rows[0][4:] == ["12.3 ?", "not measured"]
    assert rows[1][4:] == ["needs a GPU", ""]


def test_what_is_published_stands_once_for_each_network():
    records = [record(), record(runtime="another")]
    _, _, rows = speed_table(records, {"vgg13": {"T4": 2.0}})
    assert [row[-1] for row in rows] == ["2.0", ""]


def test_a_network_that_nobody_measured_has_its_published_row():
    _, _, rows = speed_table([record()], {"alexnet": {"T4": 1.0}, "vgg13": {"T4": 2.0}})
    assert [row[0] for row in rows] == ["alexnet", "vgg13"]
    assert rows[0][2:] == ["not measured here", "", "", "1.0"]


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"model": 3}', '{"model": "a", "median_ms": "1"}', "[" * 100_000, "\x00"]
)
def test_a_file_of_something_else_is_refused_in_one_line(text, tmp_path):
    path = tmp_path / "speed.jsonl"
    path.write_text(text)
    with pytest.raises(ArtifactError, match="is not what tools/benchmark.py --json") as info:
        read_records(path)
    assert "\n" not in str(info.value)


def test_records_are_read_a_line_each(tmp_path):
    path = tmp_path / "speed.jsonl"
    path.write_text('{"model": "a", "batch": 1}\n\n{"model": "b"}\n')
    assert [entry["model"] for entry in read_records(path)] == ["a", "b"]
