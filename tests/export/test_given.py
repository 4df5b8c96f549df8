"""Files of inputs: whole ones, and every way to hold none."""

import hashlib
import io
import zipfile

import numpy as np
import pytest

from export import given
from export.given import read_given


def test_arrays_come_by_name_with_the_hash_of_their_file(tmp_path):
    path = tmp_path / "real.npz"
    np.savez(path, ids=np.arange(6).reshape(3, 2), words=np.array(["a", "b", "c"]))
    found = read_given(path)
    assert found.batch["ids"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.batch["words"].tolist() == ["a", "b", "c"]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.as_dict() == {"source": "real.npz", "sha256": sha256, "count": 3}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "Received: {}"),
        ({"a": np.float32(1)}, "Received: {'a': 0}"),
        ({"a": np.zeros((0, 2))}, "Received: {'a': 0}"),
        ({"a": np.zeros(3), "b": np.zeros(2)}, "Received: {'a': 3, 'b': 2}"),
        ({"a": np.array([{}], object)}, "cannot be read (ValueError: Object arrays"),
    ],
    ids=["none", "scalar", "empty", "counts", "objects"],
)
def test_what_holds_no_samples_is_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError) as caught:
        read_given(tmp_path / "x.npz")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_what_is_no_archive_is_one_line(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match="x.npz cannot be read"):
        read_given(tmp_path / "x.npz")


def test_an_archive_of_other_things_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as packed:
        packed.writestr("notes.txt", "no array")
    with pytest.raises(ValueError, match="x.npz cannot be read .*notes.txt is no array"):
        read_given(tmp_path / "x.npz")


def test_a_flipped_byte_is_one_line_or_harmless(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.random.default_rng(0).integers(0, 9, 300))
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            read_given(path)
        except ValueError as error:
            assert "x.npz" in str(error)
            refused += 1
    assert refused > 20


def test_a_header_that_states_more_than_memory_is_one_line(tmp_path):
    header = io.BytesIO()
    stated = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 8)}
    np.lib.format.write_array_header_1_0(header, stated)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as packed:
        packed.writestr("a.npy", header.getvalue())
    with pytest.raises(ValueError, match="x.npz cannot be read"):
        read_given(tmp_path / "x.npz")


def test_what_unpacks_to_more_than_memory_may_hold_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1 << 16))
    monkeypatch.setattr(given, "LARGEST", 1 << 16)
    with pytest.raises(ValueError, match="unpacks to more than"):
        read_given(tmp_path / "x.npz")
