"""The thirteen bugs: each is what it says, and sits where it can."""

import numpy as np
import pytest

from export.contract import Contract
from export.gate.mutations import MUTATIONS, NO_CLASSIFIER, OFF, Subject
from export.networks.base import CEIL, POOL, Change, Edit, around
from export.observe.probes import probes
from export.skeleton.fold import norms

IMAGES = {"image": probes((32, 32, 3), seed=5, count=2)}
NAMES = [mutation.name for mutation in MUTATIONS]


@pytest.fixture(scope="module")
def subject(network, toy):
    opened = network("plain", "onnx")
    weights = [part for p in opened.parts for part in (p.kernel, p.bias) if part]
    held = {name: name for name in weights}
    outputs, contract = opened.build(opened.graph)(IMAGES), Contract.of_classifier((32, 32, 3), 5)
    return Subject(opened, contract, outputs, held, norms=tuple(norms(toy("plain"))))


def edits(subject, name: str):
    return list(MUTATIONS[NAMES.index(name)].edits_of(subject))


def run(subject, edit):
    built = subject.network.build(subject.network.changed(edit), edit.weights)
    return around(built, edit)(IMAGES)["logits"]


def test_there_are_thirteen_of_different_names():
    assert len(set(NAMES)) == 13


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pooling rounded up"])
def test_every_bug_changes_the_outputs(subject, name):
    changes = [
        np.abs(run(subject, edit) - subject.outputs["logits"]).max()
        for edit in edits(subject, name)
    ]
    assert max(changes) > 0


def test_pools_that_divide_evenly_round_to_the_same_and_are_not_changed(subject):
    (edit,) = edits(subject, "pooling rounded up")
    assert not edit.inside
    (pool,) = subject.parts(POOL)
    rounded = Edit(changes=(Change(CEIL, pool.node),))
    np.testing.assert_array_equal(run(subject, rounded), subject.outputs["logits"])


def test_a_pool_that_leaves_a_rest_is_changed_beside_one_that_divides_evenly(subject):
    from dataclasses import replace

    (even,) = subject.parts(POOL)

    class Pools:
        parts = (even, replace(even, node="ragged", ragged=True))

    first, second = edits(replace(subject, network=Pools()), "pooling rounded up")
    assert not first.inside
    assert second.changes == (Change(CEIL, "ragged"),)


def test_another_epsilon_is_what_keras_computes_with_it(subject, toy):
    import keras

    model = keras.models.clone_model(toy("plain"))
    model.set_weights(toy("plain").get_weights())
    for layer in model.layers:
        if "norm" in layer.name:
            assert layer.epsilon == 1e-3
            layer.epsilon = 1e-5
    (edit,) = edits(subject, "another batch-norm epsilon")
    wanted = np.asarray(model(IMAGES["image"], training=False))
    np.testing.assert_allclose(run(subject, edit), wanted, rtol=0, atol=1e-5)
    assert np.abs(wanted - subject.outputs["logits"]).max() > 1e-4


def test_one_element_of_a_bias_is_off(subject):
    for edit in edits(subject, "a bias off by 1 %"):
        ((name, values),) = edit.weights.items()
        own = subject.network.read(name)
        (at,) = np.nonzero(values != own)[0]
        assert values[at] == pytest.approx(OFF * own[at], rel=1e-6)


def test_six_bits_have_63_levels(subject):
    for edit in edits(subject, "a kernel in 6 bits"):
        (values,) = edit.weights.values()
        assert len(np.unique(values)) <= 63


def test_two_classes_are_the_likeliest_ones(subject):
    (edit,) = edits(subject, "two classes swapped")
    swapped = edit.gives(subject.outputs)["logits"]
    first, second = np.argsort(-subject.outputs["logits"][0])[:2]
    np.testing.assert_array_equal(swapped[:, first], subject.outputs["logits"][:, second])
    assert (swapped != subject.outputs["logits"]).any(axis=0).sum() == 2


def test_a_network_without_places_has_no_edits(subject):
    from dataclasses import replace

    class Empty:
        parts = ()

    empty = replace(subject, network=Empty(), norms=(), outputs={"logits": np.zeros((2, 1))})
    for mutation in MUTATIONS:
        needs_nothing = mutation.why_none in ("", NO_CLASSIFIER)
        assert bool(list(mutation.edits_of(empty))) == needs_nothing


def test_a_network_that_is_no_classifier_has_no_edits_of_pictures_or_classes(subject):
    from dataclasses import replace

    contract = replace(subject.contract, outputs=subject.contract.outputs * 2)
    other = replace(subject, contract=contract)
    assert {m.name for m in MUTATIONS if not list(m.edits_of(other))} == {
        "channels in BGR order", "images not normalised", "height and width swapped",
        "classes reversed", "two classes swapped",
    }  # fmt: skip
