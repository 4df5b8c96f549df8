"""The digits example: what it trains on, and, slowly, the whole of it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import train_digits

pytest.importorskip("sklearn", reason="pip install -e '.[examples]'")

ROOT = Path(__file__).parents[2]


def test_the_held_out_digits_are_a_fifth_of_each_class_and_those_kept_for_the_tests():
    images, labels = train_digits.load_digits()
    held_out = train_digits.is_held_out(labels)
    assert images.shape == (1797, 8, 8, 3) and images.max() == 255
    assert len(labels[held_out]) == 360
    assert np.abs(np.bincount(labels[held_out]) - np.bincount(labels) / 5).max() < 1
    with np.load(ROOT / "tests" / "golden" / "digits" / "held_out.npz") as kept:
        assert np.array_equal(kept["images"], images[held_out][..., 0])
        assert np.array_equal(kept["labels"], labels[held_out])


def test_held_out_digits_are_written_once_each(tmp_path):
    images, labels = train_digits.load_digits()
    train_digits.write_held_out(images, labels, tmp_path)
    written = sorted(tmp_path.glob("*/*.png"))
    assert len(written) == 360
    assert {path.parent.name for path in written} == set("0123456789")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--format", "onx"], "did you mean onnx?"),
        (["--epochs", "0"], "should be a whole number from 1 up"),
        (["--out", __file__], "cannot be a folder"),
    ],
)
def test_mistakes_are_told_before_it_trains(monkeypatch, capsys, wrong, message):
    monkeypatch.setattr(train_digits, "load_digits", lambda: pytest.fail("it began"))
    with pytest.raises(SystemExit) as ended:
        train_digits.main(wrong)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_example_trains_exports_and_evaluates(tmp_path):
    script = ROOT / "examples" / "train_digits.py"
    command = [sys.executable, script, "--out", "d", "--format", "onnx", "--format", "savedmodel"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert not re.search(r"^[IWE]\d{4} |absl::InitializeLog", ran.stderr, re.M)
    found = dict(re.findall(r"^squeezenet1_1/(\S+) +([\d.]+) % ± ", ran.stdout, re.M))
    assert set(found) == {"keras", "onnx", "savedmodel"}
    assert all(float(share) > 95 for share in found.values())
