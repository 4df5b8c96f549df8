"""The table of reduced precision: a row for each artifact, told by its report."""

import json

import pytest
from toy_artifact import write_report

from tools import precision_table


def artifact(out, format: str, size: int, **parity):
    folder = out / "toy" / format
    folder.mkdir(parents=True)
    check = {"name": "parity", "status": "passed", **parity}
    write_report(folder, model="toy", format=format, checks=[check])
    content = json.loads((folder / "report.json").read_text())
    content["artifact"]["bytes"] = size
    content["artifact"]["kept"] = {"conv1": "asked for"} if format == "onnx-int8" else {}
    (folder / "report.json").write_text(json.dumps(content))


def test_sizes_are_held_against_fp32_and_both_halves_are_told(tmp_path, capsys):
    artifact(tmp_path, "onnx", 4_000_000, measured=1e-6, allowed=2e-5)
    details = {
        "halves": {"exact": {"measured": 3e-6, "allowed": 2e-5}},
        "agreement": {"equal": 31, "of": 32},
    }
    artifact(tmp_path, "onnx-int8", 1_000_000, measured=0.1, allowed=0.4, details=details)
    assert precision_table.main([str(tmp_path)]) == 0
    *_, first, second = capsys.readouterr().out.splitlines()
    assert "| toy | onnx | verified | 4.0 | 1.00 | 1.0e-06 | 2.0e-05 |" in first
    assert "| 1.0 | 0.25 | 1.0e-01 | 4.0e-01 | 3.0e-06 | 2.0e-05 | 31 of 32 | conv1 |" in second


def test_a_folder_without_artifacts_exits_with_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        precision_table.main([str(tmp_path)])
    assert ended.value.code == 2
    assert "\n" not in capsys.readouterr().err.strip()
