"""Mutated files of every kind: nothing but a WeightsError comes out, in bounded memory and time.

A fast sample by default; `-m slow` takes thousands of each kind (`KERAS_NETS_FUZZ` sets how many).
"""

import math
import os
import re
import struct
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from framework_files import GOLDEN, write_pdparams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_nets import WeightsError
from keras_nets.weights.readers import KINDS, darknet, open_weights

THOUSANDS = int(os.environ.get("KERAS_NETS_FUZZ", "3000"))
LARGEST = 1 << 20  # elements; a plan refuses what the network has no room for, as this does
MEMORY = 64 << 20  # bytes that may be taken at a time, from files of a few kB
SECONDS = 5.0
HDF5_SECONDS = 60.0
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
ARRAYS = {"a": np.ones((2, 3), np.float32), "b": np.zeros(300, np.float32)}
STAGES = ((8, 1), (16, 1))  # stands for darknet53, which has 40 million
DARKNET_VALUES = 6288 + 2 * 17  # with two classes


def seed_files(folder) -> dict[str, bytes]:
    """One small good file of each kind."""
    made = {
        "pth": (GOLDEN / "kinds.pth").read_bytes(),
        "pth-legacy": (GOLDEN / "kinds.legacy.pth").read_bytes(),
        "npz": (GOLDEN / "kinds.npz").read_bytes(),
        "pdparams": write_pdparams(folder / "w", ARRAYS, protocol=4).read_bytes(),
        "pdparams 2": write_pdparams(folder / "w", ARRAYS, protocol=2).read_bytes(),
    }
    np.savez_compressed(folder / "c.npz", **ARRAYS)
    made["npz compressed"] = (folder / "c.npz").read_bytes()
    header = b'{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"x":"y"}}'
    made["safetensors"] = struct.pack("<Q", len(header)) + header + bytes(24)
    made["darknet"] = struct.pack("<3iq", 0, 2, 0, 1) + bytes(4 * DARKNET_VALUES)
    with h5py.File(folder / "w.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "fc6"
        group["0"], group["1"] = ARRAYS["a"], ARRAYS["b"]
    made["keras-h5"] = (folder / "w.h5").read_bytes()
    with zipfile.ZipFile(folder / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", made["keras-h5"])
    made["keras"] = (folder / "w.keras").read_bytes()
    return made


@st.composite
def mutations(draw, length: int):
    """A function that damages a file of `length` bytes in one to six ways."""
    places = st.integers(0, length) | st.integers(0, min(length, 200))
    edit = st.one_of(
        st.tuples(st.just("flip"), places, st.integers(0, 7)),
        st.tuples(st.just("byte"), places, st.integers(0, 255)),
        st.tuples(st.just("number"), places, st.sampled_from(INTERESTING)),
        st.tuples(st.just("cut"), places, st.just(0)),
        st.tuples(st.just("delete"), places, st.integers(1, 40)),
        st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("splice"), places, places),
    )
    edits = draw(st.lists(edit, min_size=1, max_size=6))

    def damaged(data: bytes) -> bytes:
        for edit in edits:
            data = _edited(data, *edit)
        return data

    return damaged


def _edited(data: bytes, how: str, place: int, what) -> bytes:
    head, tail = data[:place], data[place:]
    if how == "flip":
        return head + bytes([tail[0] ^ 1 << what]) + tail[1:] if tail else data
    if how == "byte":
        return head + bytes([what]) + tail[1:]
    if how == "number":
        width = 8 if what > 0xFFFFFFFF else 4 if what > 0xFFFF else 2
        return head + what.to_bytes(width, "little") + tail[width:]
    if how == "cut":
        return head
    if how == "delete":
        return head + tail[what:]
    if how == "insert":
        return head + what + tail
    return head + data[what : what + 64] + tail


def read_all(path) -> None:
    """Open and read whatever a plan could ask for; only a WeightsError may come out."""
    try:
        with open_weights(path) as file:
            for tensor in file.tensors.values():
                if math.prod(tensor.shape) <= LARGEST:
                    try:
                        values = tensor.read()
                    except WeightsError as error:
                        assert "\n" not in str(error)
                    else:
                        assert np.isfinite(values).all()
    except WeightsError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


def fuzz(kind: str, data: bytes, path, examples: int, seconds: float) -> None:
    """Read `examples` damaged copies of `data`, each within the bounds."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 1000,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations(len(data)))
    def attack(damage):
        path.write_bytes(damage(data))
        start = time.perf_counter()
        read_all(path)
        assert time.perf_counter() - start < seconds

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_memory()
    attack()
    assert peak_memory() - before < MEMORY


def peak_memory() -> int:
    """The most bytes that this process held since its peak was reset."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


CASES = (*KINDS, "pdparams 2", "npz compressed")


@pytest.fixture
def seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(darknet, "STAGES", STAGES)
    monkeypatch.setattr(darknet, "FEATURES", 16)
    return seed_files(tmp_path)


def test_the_files_that_are_damaged_are_good_to_begin_with(tmp_path, seeds):
    assert set(seeds) == set(CASES)
    for kind, data in seeds.items():
        (tmp_path / "good").write_bytes(data)
        with open_weights(tmp_path / "good") as file:
            assert file.kind == kind.split()[0]
            assert [t.read() for t in file.tensors.values() if t.dtype != "int64"]


@pytest.mark.parametrize("kind", CASES)
def test_damaged_files_give_one_line(tmp_path, seeds, kind):
    # HDF5's library runs in a process of its own, which takes a third of a second to start.
    heavy = kind.startswith("keras")
    limit = HDF5_SECONDS if heavy else SECONDS
    fuzz(kind, seeds[kind], tmp_path / "w", 5 if heavy else 100, limit)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_thousands_of_damaged_files_give_one_line(tmp_path, seeds, kind):
    heavy = kind.startswith("keras")
    limit = HDF5_SECONDS if heavy else SECONDS
    fuzz(kind, seeds[kind], tmp_path / "w", THOUSANDS // 10 if heavy else THOUSANDS, limit)


@pytest.mark.slow
@settings(max_examples=THOUSANDS, deadline=None, database=None)
@given(st.binary(max_size=4096), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04"]))
def test_random_bytes_give_one_line(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(start + data)
    read_all(path)
