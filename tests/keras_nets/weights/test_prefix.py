"""Checkpoints as training scripts save them give the weights inside, whatever lies around them."""

import argparse
import collections
import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from framework_files import random_tensors
from torch_checkpoint import Module, Saved, named, save

from keras_nets import NETS, WeightsError, identify_weights
from keras_nets.weights.identify import recognise
from keras_nets.weights.readers import open_weights

NET = NETS["squeezenet1_1"]
WEIGHTS = random_tensors(NET.name, "torchvision")
OTHERS = random_tensors(NET.name, "torchvision", seed=1)
QUANTISED = "torch._utils._rebuild_qtensor"
COUNT = Saved(np.array(9, np.int64))


def state(prefix: str = "", values=WEIGHTS, **more) -> OrderedDict:
    return OrderedDict({**more, **{prefix + name: Saved(value) for name, value in values.items()}})


def whole_model() -> Module:
    """What `torch.save(model)` pickles of a SqueezeNet."""
    root = Module("torchvision.models.squeezenet.SqueezeNet", {}, {})
    for name, value in WEIGHTS.items():
        *path, last = name.split(".")
        here = root
        for part in path:
            here = here.modules.setdefault(part, Module("torch.nn.modules.Module", {}, {}))
        here.parameters[last] = Saved(value)
    return root


class Opaque:
    """Pickles as an object of a class that nobody here has, made in one of the ways there are."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        function, *rest = self.reduced
        return named(function), *rest


class Config:
    """A script's settings: pickled by way of `getattr`, for the class lies in a class."""

    class Schedule:
        steps = 3

    def step(self):
        """Do nothing; the bound method is pickled by way of `getattr`, too."""


def held_by_itself() -> tuple:
    """A tuple that holds itself, which a pickle takes back from its stack."""
    inside = []
    inside.append((inside,))
    return inside[0]


# For each, the prefix that it should be read under.
CHECKPOINTS = {
    "a state dictionary": (lambda: state(), ""),
    "DataParallel": (lambda: state("module."), "module."),
    "wrapped": (lambda: {"state_dict": state(), "epoch": 3}, "state_dict::"),
    "arguments beside": (
        lambda: {"model": state(), "args": argparse.Namespace(lr=0.1), "lr_scheduler": {}},
        "model::",
    ),
    "a tensor of one number": (
        lambda: {"state_dict": state("module."), "best_acc1": Saved(np.float32(70.1))},
        "state_dict::module.",
    ),
    "a number of numpy": (
        lambda: {"state_dict": state(), "best": np.float64(70.1)},
        "state_dict::",
    ),
    "an optimizer": (
        lambda: {
            "state_dict": state(),
            "optimizer": {
                "state": collections.defaultdict(dict, {0: {"exp_avg": Saved(np.ones(3))}}),
                "param_groups": [{"betas": (0.9, 0.999), "params": [0]}],
            },
        },
        "state_dict::",
    ),
    "sets, paths and what no dictionary takes as a name": (
        lambda: {
            "state_dict": state(),
            "seen": {1, 2},
            "frozen": frozenset("ab"),
            "where": Path("runs/1"),
            "by_layer": {("a", 1): 2, None: 3, 1.5: 4},
            "callbacks": {argparse.Namespace: 1},
            "history": collections.deque([1, 2]),
        },
        "state_dict::",
    ),
    "classes of the script's own": (
        lambda: {
            "net": state(),
            "config": Opaque("omegaconf.DictConfig", (), {"a": 1}, None, iter([("b", 2)])),
            "device": Opaque("torch.device", ("cuda",)),
            "hook": Opaque("train.hook", (Opaque("train.inner", ()),), None, iter([1])),
        },
        "net::",
    ),
    "classes in classes, methods, and a tuple that holds itself": (
        lambda: {
            "state_dict": state(),
            "schedule": Config.Schedule(),
            "kind": Config.Schedule,
            "step": Config().step,
            "ring": held_by_itself(),
        },
        "state_dict::",
    ),
    "numbers among the weights": (
        lambda: {**state(), "best_acc1": Saved(np.float32(70.1)), "seen": Saved(np.arange(3))},
        "",
    ),
    "numbers of any length": (
        lambda: {"state_dict": state(), "seeds": [10**700, -(2**70)]},
        "state_dict::",
    ),
    "AveragedModel": (lambda: state("module.", n_averaged=COUNT), "module."),
    "timm's average alone": (
        lambda: {"state_dict_ema": state("module."), "epoch": 3},
        "state_dict_ema::module.",
    ),
    "another average alone": (
        lambda: {"model_ema": state("module.", n_averaged=COUNT)},
        "model_ema::module.",
    ),
    "the network before its average": (
        lambda: {"state_dict_ema": state(values=OTHERS), "state_dict": state()},
        "state_dict::",
    ),
    "Lightning": (
        lambda: {"state_dict": state("model.", **{"loss.weight": Saved(np.ones(5))})},
        "state_dict::model.",
    ),
    "torch.compile": (lambda: state("_orig_mod."), "_orig_mod."),
    "both": (lambda: state("module._orig_mod."), "module._orig_mod."),
    "a student and its teacher": (
        lambda: {**state("Student."), **state("Teacher.", OTHERS)},
        "Student.",
    ),
    "a profiler's counts": (
        lambda: {**state(), "total_ops": Saved(np.ones(1)), "features.0.total_params": COUNT},
        "",
    ),
    "a model that was saved whole": (whole_model, ""),
    "such a model inside": (lambda: {"model": whole_model(), "ema": None}, "model::"),
    "arrays in place of tensors": (lambda: {"state_dict": dict(WEIGHTS)}, "state_dict::"),
    "a broken tensor that nobody needs": (
        lambda: {"state_dict": state(), "x": {"y": Saved(np.ones(2), QUANTISED)}},
        "state_dict::",
    ),
}  # fmt: skip
each = pytest.mark.parametrize(("made", "prefix"), CHECKPOINTS.values(), ids=CHECKPOINTS)


def holds_the_weights(path, flavour: str, prefix: str, values) -> None:
    with open_weights(path) as file:
        identity, names = recognise(NET, file)
        assert (identity.flavour, identity.prefix) == (flavour, prefix)
        assert set(names.values()) == {prefix + name for name in values}
        for name, value in values.items():
            assert np.array_equal(file.tensors[prefix + name].read(), value), name


@each
def test_every_checkpoint_gives_the_same_weights(tmp_path, made, prefix):
    holds_the_weights(save(tmp_path / "c.pth", made()), "torchvision", prefix, WEIGHTS)


@each
def test_files_from_before_torch_1_6_do_too(tmp_path, made, prefix):
    path = save(tmp_path / "c.pth", made(), legacy=True)
    holds_the_weights(path, "torchvision", prefix, WEIGHTS)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "backbone/"])
def test_other_kinds_of_file_have_the_same_prefixes(tmp_path, prefix):
    from safetensors import numpy as reference

    arrays = {prefix + name: value for name, value in WEIGHTS.items()}
    reference.save_file(arrays, tmp_path / "w.safetensors")
    np.savez(tmp_path / "w.npz", **arrays)
    for name in ("w.safetensors", "w.npz"):
        holds_the_weights(tmp_path / name, "torchvision", prefix, WEIGHTS)


@pytest.mark.parametrize("prefix", ["", "_layers.", "Student.", "model::", "model::_layers."])
def test_paddles_checkpoints_do_too(tmp_path, prefix):
    values = random_tensors(NET.name, "paddle")
    outer, _, inner = prefix.rpartition("::")
    arrays = {inner + name: value for name, value in values.items()}
    held = {outer: arrays, "epoch": 3, "lr": np.float32(0.1)} if outer else arrays
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(held, protocol=4))
    holds_the_weights(tmp_path / "w.pdparams", "paddle", prefix, values)


def test_what_was_taken_and_what_was_not_is_said(tmp_path):
    path = save(tmp_path / "c.pth", {"state_dict_ema": state(), "state_dict": state("model.")})
    note = identify_weights(NET, path).note
    assert note == "taken from 'state_dict::model.', not from state_dict_ema::"
    path = save(tmp_path / "c.pth", state("model.", head=Saved(np.ones(3)), b=COUNT))
    assert identify_weights(NET, path).note == "taken from 'model.'; not read: 'head' and 1 more"
    assert identify_weights(NET, save(tmp_path / "c.pth", state())).note == ""


@pytest.mark.parametrize(
    "more", [np.array(3), np.array("a note"), np.array({"lr": 0.1}, object), np.arange(5), True]
)
def test_what_no_layer_could_have_may_lie_among_the_arrays_of_an_npz(tmp_path, more):
    np.savez(tmp_path / "w.npz", **WEIGHTS, more=more)
    holds_the_weights(tmp_path / "w.npz", "torchvision", "", WEIGHTS)


def test_a_zip_with_a_member_twice_is_refused_by_its_name(tmp_path):
    np.savez(tmp_path / "w.npz", **WEIGHTS)
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        name = archive.namelist()[0]
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, archive.read(name))
    with pytest.raises(WeightsError, match=f"two members '{name}'"):
        identify_weights(NET, tmp_path / "w.npz")


def test_a_file_with_the_network_twice_is_refused_with_both_places(tmp_path):
    path = save(tmp_path / "c.pth", {**state("first."), **state("second.", OTHERS)})
    with pytest.raises(WeightsError, match="under 'first.' and under 'second.'; save the one"):
        identify_weights(NET, path)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_more_tensors_than_the_network_has_are_refused_under_its_prefix_alone(tmp_path, prefix):
    path = save(tmp_path / "c.pth", {**state(prefix), prefix + "head.weight": Saved(np.ones(3))})
    with pytest.raises(WeightsError, match=f"it has '{prefix}head.weight' and 0 more tensors too"):
        identify_weights(NET, path)


def test_another_networks_checkpoint_is_told_by_its_name(tmp_path):
    other = random_tensors("alexnet", "torchvision", grid=1)
    path = save(tmp_path / "c.pth", {"state_dict": state("module.", other)})
    with pytest.raises(WeightsError, match="its tensors are those of alexnet"):
        identify_weights(NET, path)


def test_a_weight_that_is_no_plain_tensor_is_refused_by_what_made_it(tmp_path):
    held = state()
    held["features.0.weight"] = Saved(np.ones((64, 3, 3, 3)), QUANTISED)
    path = save(tmp_path / "c.pth", held)
    with pytest.raises(
        WeightsError, match="'features.0.weight' is made by 'torch._utils._rebuild_q"
    ):
        identify_weights(NET, path)


def test_dictionaries_that_hold_each_other_a_thousand_times_are_walked_once(tmp_path):
    inner = state()
    for _ in range(12):
        inner = {f"k{index}": inner for index in range(1000)}
    path = save(tmp_path / "c.pth", inner)
    assert identify_weights(NET, path).prefix == "k0::" * 12


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


PAIRS = b"".join(b"](" + text(f"k{index}") + b"Ne" for index in range(20_000))
HOSTILE = {
    # Each name is of the same array, so few steps make many names.
    "a prefix for each tensor": (
        b"\x80\x02}(" + text("z") + pickle.dumps(np.ones(1, np.float32), 2)[2:-1] + b"r\0\0\1\0"
        + b"".join(text(f"p{i}.features.0.weight") + b"j\0\0\1\0" for i in range(60_000)) + b"u.",
        "is no file of squeezenet1_1",
    ),
    "a long list of pairs that many names share": (
        b"\x80\x02}(" + text("a") + b"ccollections\nOrderedDict\n](" + PAIRS + b"e\x85Rq\x05"
        + b"".join(text(f"n{index}") + b"h\x05" for index in range(30_000)) + b"u.",
        "holds no tensors by name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("program", "told"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_dictionaries_cost_seconds_at_most(tmp_path, program, told):
    (tmp_path / "w").write_bytes(program)
    begin = time.process_time()
    with pytest.raises(WeightsError, match=told):
        identify_weights(NET, tmp_path / "w")
    assert time.process_time() - begin < 20
