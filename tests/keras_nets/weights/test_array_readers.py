"""Safetensors, .npz and zips, good ones and ones that lie about their sizes."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from framework_files import write_pth
from reading import ARRAYS, refused, same, values

from keras_nets import WeightsError, identify_weights
from keras_nets.weights.readers import open_weights


def safetensors_file(path, header: dict, data: bytes, length: int | None = None):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def test_the_reference_writer_of_safetensors_is_read(tmp_path):
    from safetensors import numpy as reference

    reference.save_file(ARRAYS, tmp_path / "w", metadata={"flavour": "paddle"})
    with open_weights(tmp_path / "w") as file:
        assert (file.kind, file.metadata) == ("safetensors", {"flavour": "paddle"})
    got = values(tmp_path / "w")
    same({name: got[name] for name in ARRAYS}, ARRAYS)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"dtype": "F32", "shape": [1 << 39], "data_offsets": [0, 8]}, "its shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 60]}, "outside the file"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}, "outside the file"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "F32", "shape": [1] * 99 + [2], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}, "is I64; weights are floats"),
        ({"dtype": "F32", "shape": [2]}, "damaged"),
        (7, "damaged"),
    ],
)
def test_safetensors_headers_that_lie_are_refused(tmp_path, entry, told):
    assert told in refused(safetensors_file(tmp_path / "w", {"a": entry}, bytes(8)))


def test_a_safetensors_header_that_is_huge_or_deep_is_refused(tmp_path):
    path = safetensors_file(tmp_path / "w", {}, bytes(5 << 20), length=5 << 20)
    assert "header claims 5_242_882 bytes" in refused(path) or "5_242_880" in refused(path)
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("told", [5, "ab", [["a", 5], [3, 4]]])
def test_a_file_tells_its_network_in_text_and_nothing_of_its_layers(tmp_path, told):
    metadata = {"layers": told, "net": told if told != "ab" else "squeezenet1_0"}
    path = safetensors_file(tmp_path / "w", {"__metadata__": metadata}, b"")
    with pytest.raises(WeightsError, match="is no file of squeezenet1_0: it lacks"):
        identify_weights("squeezenet1_0", path)


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
