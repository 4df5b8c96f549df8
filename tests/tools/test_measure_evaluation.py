"""What Ray costs against the pool: rounds in turns, and engines that count differently are told."""

import pytest
from PIL import Image

from tools import measure_evaluation

STANDIN = """
import json, sys
engine = sys.argv[sys.argv.index("--engine") + 1]
if engine == {fails!r}:
    sys.exit("error: no picture could be read")
top1 = 0.5 if engine == "pool" else {top1}
print(json.dumps({{"images": {{"pictures": 3}},
                   "networks": [{{"top1": top1, "pictures_per_s": len(engine), "ran": engine}}]}}))
"""


@pytest.fixture
def measure(tmp_path, monkeypatch):
    def measure(top1=0.5, fails=""):
        tool = tmp_path / "evaluate.py"
        tool.write_text(STANDIN.format(top1=top1, fails=fails))
        monkeypatch.setattr(measure_evaluation, "TOOL", tool)
        return measure_evaluation.main([str(tmp_path), "--pictures", "3", "--rounds", "2"])

    return measure


def test_both_engines_stand_in_the_table_with_their_ratio(measure, capsys):
    assert measure() == 0
    header, _, pool, ray = capsys.readouterr().out.splitlines()
    assert header == "| engine | median, s | each round, s | x pool |"
    assert pool.startswith("| pool |") and pool.endswith("| 1.00 |") and ray.startswith("| ray |")


@pytest.mark.parametrize(
    ("how", "why"),
    [({"top1": 0.6}, "the engines counted differently"),
     ({"fails": "ray"}, "by the engine ray failed: error: no picture could be read")],
)  # fmt: skip
def test_counts_that_differ_and_failures_exit_with_2(measure, capsys, how, why):
    with pytest.raises(SystemExit) as ended:
        measure(**how)
    assert ended.value.code == 2 and why in capsys.readouterr().err


def test_pictures_are_the_same_each_time_and_decode(tmp_path):
    for name in ("a", "b"):
        measure_evaluation.make_pictures(tmp_path / name, 3)
    made = [sorted((tmp_path / name).rglob("*.jpg")) for name in ("a", "b")]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    assert len(made[0]) == 3 and Image.open(made[0][0]).size == (256, 256)
