"""Pickled weights of paddle and torch, real ones and ones made to hurt."""

import codecs
import copyreg
import os
import pickle
import pickletools
import re
import struct
import sys
from collections import OrderedDict

import numpy as np
import pytest
from framework_files import GOLDEN, write_pdparams, write_pth
from reading import ARRAYS, refused, same, values

from keras_nets import WeightsError
from keras_nets.weights.prefix import below
from keras_nets.weights.readers import open_weights, pth_legacy


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


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_beside_the_weights_is_made_by_nobody(tmp_path, protocol):
    trace = tmp_path / "executed"

    class Script:  # a class that exists here, whose making would show
        def __new__(cls):
            trace.touch()
            return super().__new__(cls)

        def __reduce_ex__(self, _):
            return copyreg.__newobj__, (Script,), {"a": 1}

        def __setstate__(self, _):
            trace.touch()

    Script.__qualname__ = "Script"
    sys.modules[__name__].Script = Script
    data = pickle.dumps({**ARRAYS, "x": object.__new__(Script)}, protocol=protocol)
    path = tmp_path / "w.pdparams"
    path.write_bytes(data)
    same(values(path), ARRAYS)
    assert not trace.exists()
    pickle.loads(data)
    assert trace.exists()


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
        (b"\x80\x02})K\x01s.", "no tensors by name"),
        (b"\x80\x02cos\nsystem\n.", "'os.system'"),
        (b"\x80\x02(cos\nsystem\no.", "'os.system'"),
        (b"\x80\x02(ios\nsystem\n.", "opcode b'i'"),
        (b"\x80\x02\x82\x01.", "opcode"),
        (b"\x80\x020.", "damaged"),
        (b"\x80\x021.", "damaged"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "ends early"),
        (b"\x80\x02\x8b\xff\xff\xff\xff.", "ends early"),
        (b"\x80\x02cbuiltins\ngetattr\ncbuiltins\nobject\nU\x0c__subclass__\x86R.", "getattr"),
        (b"\x80\x02cbuiltins\ngetattr\nca\nb\nU\x01.\x86R.", "getattr"),
        (b"\x80\x02cbuiltins\ngetattr\nca\nb\n\x85R.", "getattr"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
    ],
)  # fmt: skip
def test_pickles_that_are_bombs_or_broken_are_refused(tmp_path, program, told):
    path = tmp_path / "w"
    path.write_bytes(program)
    assert told in refused(path)


NESTED = b")" + b"\x85" * 150_000  # a tuple that deep: C code that walks it overflows the stack
DOUBLED = b")" + b"q\x00h\x00\x86" * 60  # a tuple of 2^60 leaves: what walks it never ends
HOLE = 1234.5  # where one of those goes
bombs = pytest.mark.parametrize("bomb", [NESTED, DOUBLED], ids=["nested", "doubled"])


class Calls:
    """Pickles as a call, with arguments that the real function would refuse."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def slices(name, part) -> dict:
    return {"p": ARRAYS["b"], "UnpackBigParamInfor@@": {name: {"slices": [part]}}}


@bombs
@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Calls(OrderedDict, ([[HOLE, 1]],)), "a key that is no name"),
        (slices("a", HOLE), "a key that is no name"),
        (Calls(codecs.encode, ("a", HOLE)), "other text than Latin-1"),
        (
            {"a": Calls(*ARRAYS["a"].__reduce__()[:2], (1, (1,), Calls(np.dtype, (HOLE,)), 0, ""))},
            "a dtype without a name",
        ),
    ],
    ids=["key", "slice", "encoding", "dtype"],
)
def test_only_names_are_hashed_and_printed(tmp_path, state, told, bomb):
    data = pickle.dumps(state, protocol=2)
    hole = b"G" + struct.pack(">d", HOLE)
    assert data.count(hole) == 1
    path = tmp_path / "w"
    path.write_bytes(data.replace(hole, bomb))
    assert told in refused(path)


@bombs
def test_a_legacy_list_of_storages_holds_names_alone(tmp_path, bomb):
    path = tmp_path / "w"
    pickles = (pickle.dumps(part, protocol=2) for part in (pth_legacy.PROTOCOL, {}, {}))
    path.write_bytes(pth_legacy.HEAD + b"".join(pickles) + b"\x80\x02]" + bomb + b"a.")
    assert "a key that is no name" in refused(path)


def test_slices_make_up_a_tensor_with_a_name(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(pickle.dumps(slices(1, "p"), protocol=2))
    assert "whose name is no text" in refused(path)


def test_a_pickle_whose_array_claims_more_than_it_holds_is_refused(tmp_path):
    data = pickle.dumps({"a": np.zeros(300, np.float32)}, protocol=2)
    claim = b"M" + struct.pack("<H", 300)
    assert data.count(claim) == 1
    path = tmp_path / "w"
    path.write_bytes(data.replace(claim, b"J" + struct.pack("<i", 1 << 30)))
    assert "claims 4_294_967_296 bytes and the file has 1_200" in refused(path)


def test_every_opcode_that_runs_something_is_unknown_to_the_interpreter():
    from keras_nets.weights.pickled import STEPS

    dangerous = {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "BYTEARRAY8"}
    assert not STEPS.keys() & dangerous
    assert {"GLOBAL", "REDUCE", "BUILD", "SETITEMS"} <= STEPS.keys()
    assert STEPS.keys() <= {opcode.name for opcode in pickletools.opcodes}


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
    with open_weights(GOLDEN / name) as file:
        found = below(file.tensors, "state_dict::module.")
        same({rest: file.tensors[f"state_dict::module.{rest}"].read() for rest in found}, want)


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
