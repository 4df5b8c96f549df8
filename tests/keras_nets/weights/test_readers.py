"""Each reader on real small files, and on files made to hurt."""

import io
import json
import os
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from framework_files import GOLDEN, write_pdparams, write_pth

from keras_nets import WeightsError
from keras_nets.weights.readers import open_weights

ARRAYS = {
    "a": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.linspace(-1, 1, 5, dtype=np.float32),
    "scalar": np.array(2.5, np.float32),
}


def values(path) -> dict[str, np.ndarray]:
    """All tensors of a file."""
    with open_weights(path) as file:
        return {name: tensor.read() for name, tensor in file.tensors.items()}


def refused(path) -> str:
    """The one line that a file is refused with, in opening or in reading."""
    with pytest.raises(WeightsError) as caught:
        values(path)
    told = str(caught.value)
    assert str(path) in told and "\n" not in told and not told.endswith(".")
    return told


def same(got: dict, want: dict) -> None:
    assert list(got) == list(want)
    for name, array in want.items():
        assert got[name].dtype == np.float32
        assert np.array_equal(got[name], array), name


# ------------------------------------------------------------------------------------- .pdparams
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_numpy_come_back(tmp_path, protocol):
    same(values(write_pdparams(tmp_path / "w", ARRAYS, protocol)), ARRAYS)


def test_arrays_in_fortran_order_come_back(tmp_path):
    arrays = {"f": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))}
    same(values(write_pdparams(tmp_path / "w", arrays)), arrays)


def test_long_latin1_text_is_decoded_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_nets.weights.tensor.BLOCK", 1000)
    arrays = {"a": np.random.default_rng(0).standard_normal((300, 7), np.float32)}
    same(values(write_pdparams(tmp_path / "w", arrays, 2)), arrays)


def test_paddles_slices_are_joined(tmp_path):
    flat = np.arange(12, dtype=np.float32)
    state = {
        "b": ARRAYS["b"],
        "a@@.0": flat[:7],
        "a@@.1": flat[7:],
        "UnpackBigParamInfor@@": {"a": {"OriginShape": (3, 4), "slices": ["a@@.0", "a@@.1"]}},
    }
    path = tmp_path / "w"
    path.write_bytes(pickle.dumps(state, protocol=2))
    same(values(path), {"b": ARRAYS["b"], "a": flat.reshape(3, 4)})


def test_tensors_that_paddle_names_twice_come_back(tmp_path):
    class Named:
        def __reduce__(self):
            return tuple, (("linear_0.w_0", ARRAYS["a"]),)

    path = tmp_path / "w"
    path.write_bytes(pickle.dumps({"a": Named(), "b": ("linear_0.b_0", ARRAYS["b"])}, protocol=2))
    same(values(path), {"a": ARRAYS["a"], "b": ARRAYS["b"]})


def test_pickles_of_python_2_come_back(tmp_path):
    # Its str are bytes, for names, dtypes and values alike: opcodes U and T.
    def text(data: bytes) -> bytes:
        return b"U" + bytes([len(data)]) + data

    raw = ARRAYS["a"].tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
        + b"\x87R(K\x01K\x03K\x04\x86cnumpy\ndtype\n" + text(b"f4") + b"K\x00K\x01\x87R(K\x03"
        + text(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )  # fmt: skip
    path = tmp_path / "w"
    path.write_bytes(b"\x80\x02}" + text(b"a") + array + b"s.")
    same(values(path), {"a": ARRAYS["a"]})


def test_bfloat16_that_paddle_pickles_as_whole_numbers_comes_back(tmp_path):
    bits = (ARRAYS["a"].view(np.uint32) >> 16).astype(np.uint16)
    same(values(write_pdparams(tmp_path / "w", {"a": bits})), {"a": ARRAYS["a"]})


class Evil:
    """Unpickling it would leave a file behind."""

    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("open", "asks for '_?io.open'"),
        ("eval", "asks for '(builtins|__builtin__).eval'"),
        ("os.mkdir", "asks for '(posix|nt|os).mkdir'"),
        ("getattr", "asks for '(builtins|__builtin__).getattr'"),
    ],
)
@pytest.mark.parametrize("place", ["value", "key", "wrapped"])
def test_nothing_of_a_hostile_pickle_runs(tmp_path, protocol, call, told, place):
    trace = tmp_path / "executed"
    evil = {
        "open": Evil(open, str(trace), "w"),
        "eval": Evil(eval, f"open({str(trace)!r}, 'w')"),
        "os.mkdir": Evil(os.mkdir, str(trace)),
        "getattr": Evil(getattr, "", "upper"),
    }[call]
    state = {"value": {**ARRAYS, "x": evil}, "key": {evil: 1}, "wrapped": {"state_dict": evil}}
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps(state[place], protocol=protocol))
    line = refused(path)
    assert re.search(told, line), line
    assert "nothing of it was run" in line
    assert not trace.exists()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (b"\x80\x02" + b"}" * 300_000 + b".", "more than 200_000 steps"),
        (b"\x80\x02]" + b"\x85" * 150_000 + b".", "no dictionary of tensors"),
        (b"\x80\x02]" + b"q\x00h\x00h\x00\x86" * 40_000 + b".", "no dictionary of tensors"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"x.", "ends early"),
        (b"\x80\x02B\xff\xff\xff\xff.", "ends early"),
        (b"\x80\x02T\xff\xff\xff\xff.", "ends early"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x02(.", "damaged"),
        (b"\x80\x02})K\x01s.", "a key that is no name"),
        (b"\x80\x02cos\nsystem\n.", "'os.system'"),
        (b"\x80\x02(cos\nsystem\no.", "'os.system'"),
        (b"\x80\x02(ios\nsystem\n.", "opcode b'i'"),
        (b"\x80\x02\x82\x01.", "opcode"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
    ],
)  # fmt: skip
def test_pickles_that_are_bombs_or_broken_are_refused(tmp_path, program, told):
    path = tmp_path / "w"
    path.write_bytes(program)
    assert told in refused(path)


def test_a_pickle_whose_array_claims_more_than_it_holds_is_refused(tmp_path):
    data = pickle.dumps({"a": np.zeros(300, np.float32)}, protocol=2)
    claim = b"M" + struct.pack("<H", 300)
    assert data.count(claim) == 1
    path = tmp_path / "w"
    path.write_bytes(data.replace(claim, b"J" + struct.pack("<i", 1 << 30)))
    assert "claims 4_294_967_296 bytes and the file has 1_200" in refused(path)


def test_every_opcode_that_runs_something_is_unknown_to_the_interpreter():
    from keras_nets.weights.pickled import STEPS

    dangerous = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "BYTEARRAY8"}
    known = {pickletools.code2op[code.decode("latin-1")].name for code in STEPS}
    assert not known & dangerous
    assert {"GLOBAL", "REDUCE", "BUILD", "SETITEMS", "STOP"} - known == {"STOP"}


# ------------------------------------------------------------------------------------------ .pth
@pytest.mark.parametrize("name", ["kinds.pth", "kinds.legacy.pth"])
def test_every_kind_of_tensor_that_torch_wrote_comes_back(name):
    want = dict(np.load(GOLDEN / "kinds.npz"))
    with open_weights(GOLDEN / name) as file:
        counter = file.tensors.pop("num_batches_tracked")
        got = {name: tensor.read() for name, tensor in file.tensors.items()}
        with pytest.raises(WeightsError, match="'num_batches_tracked' is int64"):
            counter.read()
    same(got, want)


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_of_a_hand_made_torch_file_come_back(tmp_path, legacy):
    same(values(write_pth(tmp_path / "w", ARRAYS, legacy=legacy)), ARRAYS)


@pytest.mark.parametrize("name", ["checkpoint.pth", "checkpoint.legacy.pth"])
def test_a_checkpoint_of_a_parallel_model_with_its_optimizer_is_unwrapped(name):
    want = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.arange(2)}
    same(values(GOLDEN / name), want)


def test_a_tensor_that_repeats_its_storage_is_refused():
    assert "'a' is a view with gaps" in refused(GOLDEN / "expanded.pth")


@pytest.mark.parametrize("name", ["kinds.pth", "kinds.legacy.pth", "kinds.npz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_files_that_are_cut_off_are_refused(tmp_path, name, share):
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(share * len(data))])
    refused(path)


def test_values_that_changed_under_a_zips_checksum_are_refused(tmp_path):
    data = bytearray((GOLDEN / "kinds.npz").read_bytes())
    place = data.index(np.load(GOLDEN / "kinds.npz")["plain"].tobytes())
    data[place] ^= 1
    path = tmp_path / "w.npz"
    path.write_bytes(data)
    assert "Bad CRC-32" in refused(path)


# ---------------------------------------------------------------------------- .safetensors, .npz
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
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "a shape that is none"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "a shape that is none"),
        ({"dtype": "F32", "shape": [1] * 99 + [2], "data_offsets": [0, 8]}, "shape that is none"),
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
        (npy("{'descr':'<f4','fortran_order':False,'shape':(-1,)}"), "a shape that is none"),
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


# ------------------------------------------------------------------------------------- .weights.h5
def h5_file(path, **datasets) -> str:
    with h5py.File(path, "w") as file:
        for name, (data, options) in datasets.items():
            file.create_dataset(f"layers/dense/vars/{name}", data=data, **options)
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_datasets_of_any_float_are_read(tmp_path, dtype):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"].astype(dtype), {})})
    same(values(path), {"dense/kernel": ARRAYS["a"]})


@pytest.mark.parametrize(
    "options",
    [{"chunks": (1, 4)}, {"compression": "gzip"}, {"maxshape": (None, 4)}],
)
def test_datasets_that_keras_does_not_write_are_refused(tmp_path, options):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"], options)})
    assert "chunked, compressed or elsewhere" in refused(path)


def test_links_and_datasets_elsewhere_are_refused(tmp_path):
    secret = h5_file(tmp_path / "secret", **{"0": (ARRAYS["a"], {})})
    (tmp_path / "raw").write_bytes(bytes(48))
    for index, make in enumerate(
        (
            lambda group: group.__setitem__("0", h5py.ExternalLink(secret, "/layers/dense/vars/0")),
            lambda group: group.__setitem__("0", h5py.SoftLink("/elsewhere")),
            lambda group: group.create_dataset(
                "0", (3, 4), "f4", external=[(str(tmp_path / "raw"), 0, 48)]
            ),
            lambda group: group.create_virtual_dataset("0", virtual_layout(secret)),
        )
    ):
        path = tmp_path / f"w{index}"
        with h5py.File(path, "w") as file:
            make(file.create_group("layers/dense/vars"))
        assert "elsewhere" in refused(path)


def virtual_layout(path):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(path, "layers/dense/vars/0", (3, 4))
    return layout


def test_groups_that_go_round_in_circles_are_refused(tmp_path):
    with h5py.File(tmp_path / "w", "w") as file:
        inner = file.create_group("layers/dense")
        inner["again"] = file["layers"]
    assert "more groups than any network" in refused(tmp_path / "w")


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "w", "w") as file:
        file["x"] = 1
    assert "no group 'layers'" in refused(tmp_path / "w")


def test_a_crash_of_the_hdf5_library_is_one_line(tmp_path, monkeypatch):
    path = h5_file(tmp_path / "w", **{"0": (ARRAYS["a"], {})})
    died = subprocess.CompletedProcess([], -11, b"", b"Segmentation fault")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: died)
    assert "HDF5's library fails on it" in refused(path)


# ------------------------------------------------------------------------------------- whatever
def test_what_is_no_file_or_no_weights_file_is_refused(tmp_path):
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


def test_a_name_with_line_breaks_stays_one_line(tmp_path):
    path = tmp_path / "a\nb"
    path.write_bytes(b"")
    with pytest.raises(WeightsError) as caught:
        values(path)
    assert "\n" not in str(caught.value)


def test_readers_import_neither_keras_nor_a_framework(tmp_path):
    h5_file(tmp_path / "w.h5", **{"0": (ARRAYS["a"], {})})
    np.savez(tmp_path / "w.npz", **ARRAYS)
    write_pdparams(tmp_path / "w.pdparams", ARRAYS)
    safetensors_file(tmp_path / "w.safetensors", {}, b"")
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


def test_the_listing_of_hdf5_fits_in_its_own_memory(tmp_path):
    # A dataset that claims 4 TB and was never written: HDF5 gives it no place in the file.
    with h5py.File(tmp_path / "w", "w") as file:
        file.create_dataset("layers/dense/vars/0", (1 << 40,), "f4")
    assert "elsewhere" in refused(tmp_path / "w")


def test_streams_of_python_objects_are_not_asked_for(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(npz_file(tmp_path / "w", {"a": buffer.getvalue()}))
