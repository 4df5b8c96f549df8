"""What holds for every reader: files that are none, and what is imported."""

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from framework_files import GOLDEN, write_pdparams
from reading import ARRAYS, refused, values

from keras_nets import WeightsError


def test_only_regular_files_of_weights_are_opened(tmp_path):
    assert "is a folder" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(tmp_path / "pipe")
    for content, told in (
        (b"", "is empty"),
        (b"PK\x03\x04", "without its end"),
        (b"\x80\x02", "ends early"),
        (b"\x89HDF\r\n\x1a\n", "no Keras weights file"),
        (bytes(64), "values where darknet53 has 40_620_640"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "no weights file; known are"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no weights file; known are"),
    ):
        (tmp_path / "w").write_bytes(content)
        assert told in refused(tmp_path / "w"), content


def test_a_file_that_may_not_be_opened_is_not_called_damaged(tmp_path, monkeypatch):
    path = write_pdparams(tmp_path / "closed.pdparams", ARRAYS)
    monkeypatch.setattr(Path, "open", closed)
    assert refused(path) == f"{path} cannot be read: {os.strerror(errno.EACCES)}"


def closed(path, *_):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_a_name_with_line_breaks_stays_one_line(tmp_path):
    path = tmp_path / "a\nb"
    path.write_bytes(b"")
    with pytest.raises(WeightsError) as caught:
        values(path)
    assert "\n" not in str(caught.value)


def test_readers_import_neither_keras_nor_a_framework(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = ARRAYS["a"]
    np.savez(tmp_path / "w.npz", **ARRAYS)
    write_pdparams(tmp_path / "w.pdparams", ARRAYS)
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    script = f"""
import sys
from keras_nets.weights.readers import open_weights
for path in {[str(p) for p in [*sorted(tmp_path.iterdir()), *sorted(GOLDEN.glob("kinds*.pth"))]]}:
    with open_weights(path) as file:
        for tensor in file.tensors.values():
            if tensor.dtype != "int64":
                tensor.read()
print(sorted({{"tensorflow", "keras", "torch", "h5py"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
