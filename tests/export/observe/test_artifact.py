"""Looking at an artifact in a process of its own."""

import numpy as np
import pytest

from export.observe.artifact import observe
from export.process import ChildFailed


def test_a_child_sees_what_is_seen_here(written, look, reference, tmp_path):
    folder, images = written("plain", "onnx"), reference("plain").images
    there, here = observe("onnx", folder, images, tmp_path), look("onnx", folder, images)
    assert (there.inputs, there.outputs, there.weights, there.graph, there.ran) == (
        here.inputs, here.outputs, here.weights, here.graph, here.ran,
    )  # fmt: skip
    np.testing.assert_array_equal(there.logits, here.logits)
    assert there.error == ""
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_onnx_is_looked_at_without_tensorflow(written, reference, tmp_path, monkeypatch):
    """A TensorFlow that does not import is not missed."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('not wanted')")
    boot = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    monkeypatch.setattr("export.process.RUN_MODULE", boot + _run_module())
    seen = observe("onnx", written("plain", "onnx"), reference("plain").images, tmp_path)
    assert seen.error == ""
    assert seen.logits.shape == (8, 5)


def _run_module() -> str:
    from export.process import RUN_MODULE

    return RUN_MODULE


def test_a_missing_artifact_is_told_and_not_raised(tmp_path):
    images = np.zeros((1, 4, 4, 3), np.float32)
    seen = observe("onnx", tmp_path / "nowhere", images, tmp_path)
    assert "has no model.onnx; export it again" in seen.error
    assert (seen.inputs, seen.weights, seen.graph) == ((), (), {})
    assert seen.logits.size == 0


def test_an_artifact_for_other_images_is_told_in_one_line(written, look):
    seen = look("onnx", written("plain", "onnx"), np.zeros((2, 8, 8, 3), np.float32))
    assert seen.error
    assert "\n" not in seen.error
    assert seen.inputs, "what was seen before it ran is kept"


def test_a_child_that_dies_is_an_export_error_and_leaves_no_images(tmp_path, monkeypatch):
    monkeypatch.setattr("export.process.RUN_MODULE", "import os; os.abort()")
    with pytest.raises(ChildFailed, match="died of signal 6"):
        observe("onnx", tmp_path, np.zeros((1, 4, 4, 3), np.float32), tmp_path)
    assert not list(tmp_path.glob("*.npy"))
