"""Images to compare networks on."""

from types import SimpleNamespace

import numpy as np
import pytest

from export.contract import Contract, Tensor
from export.observe.probes import in_batches, inputs, other_lengths, probes
from export.skeleton.input_range import InputRange


def test_probes_are_seeded_and_differ_from_each_other():
    images = probes((16, 24, 3), seed=4)
    assert images.shape == (8, 16, 24, 3)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, probes((16, 24, 3), seed=4))
    assert not np.array_equal(images, probes((16, 24, 3), seed=5))
    assert len({image.tobytes() for image in images}) == 8
    assert 0.3 < images.std() < 3


NETWORK = SimpleNamespace(
    contract=Contract.of_classifier((4, 6, 3), 5), takes=InputRange(), ids={}, pools={}
)


def test_given_images_come_after_the_probes():
    given = probes((4, 6, 3), seed=9, count=3)
    both = inputs(NETWORK, 1, given)["image"]
    np.testing.assert_array_equal(both, np.concatenate([probes((4, 6, 3), 1), given]))
    np.testing.assert_array_equal(inputs(NETWORK, 1, {"image": given})["image"], both)
    np.testing.assert_array_equal(inputs(NETWORK, 1)["image"], probes((4, 6, 3), 1))


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 6, 4, 3), np.float32),
        np.zeros((4, 6, 3), np.float32),
        np.zeros((0, 4, 6, 3), np.float32),
        np.zeros((2, 4, 6, 3), np.uint8),
        np.full((2, 4, 6, 3), np.nan, np.float32),
    ],
    ids=["turned", "no batch", "none", "bytes", "NaN"],
)
def test_images_that_do_not_fit_are_refused(given):
    with pytest.raises(ValueError, match=r"finite float32 \(n, 4, 6, 3\)\. Received: "):
        inputs(NETWORK, 0, given)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 9])
def test_probes_are_run_in_small_and_odd_batches(count):
    sizes, images = [], probes((4, 4, 3), count=count)

    def predict(batch):
        sizes.append(len(batch["image"]))
        return {"row": batch["image"].reshape(sizes[-1], -1)}

    rows = in_batches({"image": images}, predict)["row"]
    np.testing.assert_array_equal(rows, images.reshape(count, -1))
    assert {1, 3, 4} <= set(sizes), "of few images too, which are repeated for it"
    assert sum(sizes) == count or count not in (8, 9)


TENSORS = (
    Tensor("ids", "int32", ("batch", 7)),
    Tensor("flags", "int64", ("batch", "time")),
    Tensor("picture", "uint8", ("batch", 8, 8, 3)),
    Tensor("mask", "bool", ("batch", 5)),
    Tensor("sound", "float16", ("batch", "time", 2)),
    Tensor("words", "string", ("batch",)),
)


def test_every_kind_of_input_gets_numbers_that_it_takes():
    contract = Contract(TENSORS, TENSORS[:1])
    network = SimpleNamespace(contract=contract, takes=InputRange(), ids={"ids": 30}, pools={})
    made = inputs(network, 3)
    assert {name: values.shape[1:] for name, values in made.items()} == {
        "ids": (7,), "flags": (64,), "picture": (8, 8, 3), "mask": (5,), "sound": (64, 2),
        "words": (),
    }  # fmt: skip
    types = {name: str(values.dtype) for name, values in made.items()}
    assert types.pop("words").startswith("<U"), "what passes to another process is no object"
    assert types == {tensor.name: tensor.dtype for tensor in TENSORS[:-1]}
    assert 0 <= made["ids"].min() < 5 and 25 < made["ids"].max() < 30, "within the table"
    assert set(made["flags"].flat) == {0, 1}, "where no table tells, what any table holds"
    assert made["picture"].max() > 200 and made["picture"].min() < 60
    assert set(made["mask"].flat) == {True, False}
    for name, values in inputs(network, 3).items():
        np.testing.assert_array_equal(values, made[name])


def test_inputs_of_other_names_or_counts_are_refused():
    two = Contract((Tensor("a", "float32", ("batch", 2)), Tensor("b", "float32", ("batch",))), ())
    network = SimpleNamespace(contract=two, takes=InputRange(), ids={}, pools={})
    a, b = np.zeros((3, 2), np.float32), np.zeros(3, np.float32)
    assert len(inputs(network, 0, {"a": a, "b": b})["b"]) == 11
    for given, message in (
        (a, "are the network's: a, b. Received: one array"),
        ({"a": a}, "are the network's: a, b. Received: a"),
        ({"a": a, "b": b[:2]}, "as many of each"),
        ({"a": a, "b": b.astype(int)}, "values of b to compare on are finite float32"),
    ):
        with pytest.raises(ValueError, match=message):
            inputs(network, 0, given)


FREE = Contract(
    (
        Tensor("ids", "int32", ("batch", "time")),
        Tensor("sound", "float32", ("batch", "time", 2)),
        Tensor("picture", "float32", ("batch", "height", "width", 3)),
    ),
    (),
)


def test_probes_are_as_long_as_what_is_given_and_others_of_further_lengths():
    network = SimpleNamespace(contract=FREE, takes=InputRange(), ids={}, pools={})
    given = {
        "ids": np.ones((2, 9), np.int32),
        "sound": np.ones((2, 9, 2), np.float32),
        "picture": np.ones((2, 20, 30, 3), np.float32),
    }
    made = inputs(network, 0, given)
    assert {name: values.shape for name, values in made.items()} == {
        "ids": (10, 9), "sound": (10, 9, 2), "picture": (10, 20, 30, 3)
    }  # fmt: skip
    first, *more = other_lengths(network, 0, made)
    assert (first["ids"].shape[1], first["sound"].shape[1]) == (5, 5)
    assert first["picture"].shape[1:3] == (12, 17), "no side is as long as before"
    assert [one["picture"].shape[1:3] for one in more] == [(10, 15), (40, 60)]
    with pytest.raises(ValueError, match="of one length along each of time, height, width"):
        inputs(network, 0, given | {"sound": np.ones((2, 8, 2), np.float32)})


def test_a_network_without_free_axes_has_no_other_lengths():
    assert list(other_lengths(NETWORK, 0, inputs(NETWORK, 0))) == []


def test_without_probes_only_what_is_given_is_compared():
    given = np.ones((2, 4, 6, 3), np.float32)
    assert inputs(NETWORK, 0, given, seeded=False)["image"] is given
    with pytest.raises(ValueError, match="nothing to compare on; give inputs or images"):
        inputs(NETWORK, 0, None, seeded=False)
