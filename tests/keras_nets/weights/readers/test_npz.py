"""Files of numpy are read; members that lie about their sizes are refused."""

import io
import struct
import zipfile

import numpy as np
import pytest
from reading import ARRAYS, refused, same, values


def npz_file(path, members: dict[str, bytes], compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_compressed_and_fortran_npz_are_read(tmp_path):
    arrays = {**ARRAYS, "f": np.asfortranarray(ARRAYS["a"])}
    np.savez_compressed(tmp_path / "w", **arrays)
    same(values(tmp_path / "w.npz"), arrays)


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (npy("{'descr':'<f4','fortran_order':False,'shape':(99999999999,)}"), "its shape"),
        (npy("{'descr':'|O','fortran_order':False,'shape':(1,)}", b"cos\nsystem\n."), "objects"),
        (npy("{'descr':'<f4','fortran_order':False,'shape':(-1,)}"), "an impossible shape"),
        (npy("{'descr':'<f4','fortran_order':False,'shape':__import__('os')}"), "damaged"),
        (npy("(" * 3000), "damaged"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(1,)}", bytes(8)), "is int64"),
        (b"not numpy", "damaged"),
    ],
)
def test_npz_members_that_lie_are_refused(tmp_path, member, told):
    assert told in refused(npz_file(tmp_path / "w", {"a": member}))


def test_metadata_of_an_npz_that_is_no_short_text_is_refused(tmp_path):
    for header in (
        "{'descr':'<U0','fortran_order':False,'shape':(99999999,)}",
        "{'descr':'<U9','fortran_order':False,'shape':(99999999,)}",
    ):
        assert "metadata" in refused(npz_file(tmp_path / "w", {"__metadata__": npy(header)}))


def test_metadata_of_an_npz_that_unicode_lacks_is_refused(tmp_path):
    member = npy("{'descr':'<U1','fortran_order':False,'shape':(1,)}", b"\xff\xff\xff\xff")
    assert "damaged" in refused(npz_file(tmp_path / "w", {"__metadata__": member}))


def test_streams_of_python_objects_are_not_asked_for(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(npz_file(tmp_path / "w", {"a": buffer.getvalue()}))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_npz_header_of_any_length_is_refused_by_the_length(tmp_path, version, compression):
    length = 60_000 if version == 1 else 1 << 31
    member = b"\x93NUMPY" + bytes([version, 0]) + length.to_bytes(2 * version, "little")
    path = npz_file(tmp_path / "w", {"a": member + b" " * 50_000}, compression)
    assert f"'a.npy' has a header of {length:_} bytes; 4_096 are allowed" in refused(path)
