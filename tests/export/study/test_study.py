"""The study: seeds that raise no alarm, peers that miss, and the page made of both."""

import json

import numpy as np
import pytest

from export.gate.mutations import MUTATIONS
from export.study import page
from export.study.peers import PEERS, ask_peers, softmax
from export.study.seeds import judge_seeds
from keras_nets.weights.seeded import seed_weights


def copy(model):
    import keras

    return keras.models.clone_model(model)


@pytest.mark.parametrize(
    "format", ["savedmodel", "onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]
)
def test_other_weights_raise_no_alarm(toy, format):
    told = list(judge_seeds(copy(toy("plain")), seed_weights, range(5, 8), [format]))
    assert [entry["seed"] for entry in told] == [5, 6, 7]
    found = [entry["formats"][format] for entry in told]
    assert [entry["failed"] for entry in found] == [[], [], []]
    assert all(entry["measured"] < entry["allowed"] / 2 for entry in found)
    assert len({entry["noise"] for entry in told}) == 3, "the weights are others"


def test_the_converter_runs_once(toy, monkeypatch):
    from export.formats.onnx import Onnx

    calls, convert = [], Onnx.convert

    def counted(self, skeleton):
        calls.append(skeleton)
        return convert(self, skeleton)

    monkeypatch.setattr(Onnx, "convert", counted)
    assert len(list(judge_seeds(copy(toy("plain")), seed_weights, range(3), ["onnx"]))) == 3
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("off", "noticed"),
    [
        (0.0, []),
        (5e-6, []),
        (5e-5, ["optimum", "Polygraphy"]),
        (5e-4, ["optimum", "Polygraphy", "onnx2tf"]),
        (5e-3, ["optimum", "Polygraphy", "onnx2tf", "Paddle TIPC"]),
    ],
)
def test_rules_are_as_strict_as_stated(off, noticed):
    wanted = np.full((2, 10), 0.1)
    got = wanted + off
    assert [peer.name for peer in PEERS if not peer.equal(wanted, got)] == noticed


def test_a_small_error_relative_to_a_large_value_is_equal_where_rtol_says_so():
    wanted, got = np.array([[100.0]]), np.array([[100.0005]])
    assert [peer.name for peer in PEERS if peer.equal(wanted, got)] == [
        "optimum", "Polygraphy", "Paddle TIPC"
    ]  # fmt: skip


def test_peers_are_asked_about_every_bug(toy):
    told = ask_peers(copy(toy("plain")))
    assert [entry["name"] for entry in told] == [mutation.name for mutation in MUTATIONS]
    changes = {entry["name"]: entry["change"] for entry in told}
    assert changes["pooling rounded up"] is None
    assert changes["a bias off by 1 %"] is None, "Keras initialises biases with zero"
    assert changes["classes reversed"] > 0


def test_softmax_sums_to_one():
    np.testing.assert_allclose(softmax(np.float32([[1e3, 0], [1, 1]])), [[1, 0], [0.5, 0.5]])


MUTANTS = [
    {"name": "channels in BGR order", "effect": 1.234, "caught_by": ["parity"]},
    {"name": "a kernel flipped", "effect": 0.5, "caught_by": ["weights", "parity"]},
    {"name": "two classes swapped", "effect": 0.02, "caught_by": []},
    {"name": "pooling rounded up", "effect": None, "caught_by": [],
     "note": "without effect: no pooling"},
]  # fmt: skip


@pytest.fixture
def work(tmp_path):
    details = {
        "noise": 1e-5,
        "power": {"caught": 2, "of": 3, "missed": ["two classes swapped"]},
        "smallest_bug": {"name": "two classes swapped", "measured": 0.02},
        "mutants": MUTANTS,
    }
    parity = {"name": "parity", "measured": 2e-5, "allowed": 8e-5, "details": details}
    found = {"failed": [], "measured": 2e-5, "allowed": 8e-5}
    alarm = {"failed": ["parity"], "measured": 9e-5, "allowed": 8e-5}
    records = {
        "power-vgg11-onnx": {"model": "vgg11", "format": "onnx", "checks": [parity]},
        "peers-vgg11": [
            {"name": m.name, "change": 1e-6, "noticed": ["optimum"]} for m in MUTATIONS
        ],
    }
    seeds = (
        {"seed": 1, "noise": 1e-5, "formats": {"onnx": found}},
        {"seed": 2, "noise": 2e-5, "formats": {"onnx": alarm}},
    )
    (tmp_path / "seeds-vgg11.jsonl").write_text("".join(json.dumps(s) + "\n" for s in seeds))
    for name, told in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    return tmp_path


def test_the_page_tells_what_was_measured(work, tmp_path):
    page.write(work, tmp_path / "page.md", ("vgg11", "vgg13"))
    text = (tmp_path / "page.md").read_text()
    assert (
        "| vgg11 | onnx | 2 of 3 | 2.0e-05 | 1.0e-05 | 8.0e-05 | 0.02 two classes swapped" in text
    )
    assert "| a kernel flipped | 0.5 WP |" in text
    assert "| two classes swapped | 0.02 **missed** |" in text
    assert "| pooling rounded up | (no pooling) |" in text
    assert "| vgg11 | 2 | 1 of parity | 1.0e-05 to 2.0e-05 | 1.1 |" in text
    assert "| vgg13 | 0 | - |" in text, "what was not run is said"
    assert "a fixed 1e-5 would fail 1 of the 1" in text
    assert max(map(len, text.splitlines())) < 200


def test_a_page_of_nothing_is_a_page(tmp_path):
    page.write(tmp_path, tmp_path / "page.md", ("vgg11",))
    assert "| vgg11 | 0 | - |" in (tmp_path / "page.md").read_text()
