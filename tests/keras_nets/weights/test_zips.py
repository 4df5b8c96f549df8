"""Zips that claim more than they hold, or hold too much, are refused."""

import struct
import zipfile

import numpy as np
import pytest
from framework_files import write_pth
from reading import ARRAYS, refused, same, values


def npz_file(path, members: dict[str, bytes], compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(64 << 20))
    assert "'x/data.pkl' claims 67_108_864 bytes" in refused(path)


def test_a_zip_with_an_endless_directory_is_refused(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 0xFFFFFFF0)
    path.write_bytes(data)
    assert "list of members takes 4_294_967_280 bytes" in refused(path)


@pytest.mark.parametrize("told", [True, False], ids=["where it says", "where zipfile looks"])
def test_a_zip64_cannot_hide_an_endless_directory(tmp_path, told):
    # Two records of the directory's size, of which the smaller one is told of or lies at hand.
    records = [struct.pack("<4s36xQ8x", b"PK\x06\x06", claim) for claim in (46, 5 << 20)]
    records = records if not told else records[::-1]
    archive = b"PK\x03\x04" + bytes(60) + b"".join(records)
    archive += struct.pack("<4s4xQ4x", b"PK\x06\x07", 64)
    path = tmp_path / "w"
    path.write_bytes(archive + struct.pack("<4s8xI6x", b"PK\x05\x06", 46))
    assert "list of members takes 5_242_880 bytes" in refused(path)


def test_members_that_unpack_to_far_more_than_they_take_are_refused_unread(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "w.npz", a=np.zeros((4096, 1000), np.float32))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("a member was opened"))
    assert "'a.npy' claims 16_384_128 bytes out of" in refused(tmp_path / "w.npz")


def test_zeros_of_a_small_layer_and_pruned_weights_are_no_bomb(tmp_path):
    pruned = np.random.default_rng(0).standard_normal((512, 1000)).astype(np.float32)
    pruned[np.abs(pruned) < 2.5] = 0  # 98.8 % of them
    arrays = {"a": pruned, "b": np.zeros(4096, np.float32)}
    np.savez_compressed(tmp_path / "w.npz", **arrays)
    same(values(tmp_path / "w.npz"), arrays)


def test_members_that_share_their_bytes_are_refused(tmp_path):
    data = np.random.default_rng(0).bytes(5000)
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("a/data.pkl", data)
        for name in ("a/data/0", "a/data/1"):
            twin = zipfile.ZipInfo(name)
            archive.filelist.append(twin)
            twin.header_offset, twin.CRC = 0, archive.filelist[0].CRC
            twin.file_size = twin.compress_size = len(data)
        archive._didModify = True
    assert "a zip whose members overlap" in refused(tmp_path / "w.pth")


def test_torch_files_that_were_zipped_anew_are_refused_before_they_are_unpacked(tmp_path):
    whole = write_pth(tmp_path / "w.pth", ARRAYS)
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    told = refused(tmp_path / "packed.pth")
    assert "'archive/data/0' is compressed; save it anew with torch" in told
