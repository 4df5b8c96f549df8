"""Layers that stay in 32 bits are known by the names of their scopes and of their weights."""

from types import SimpleNamespace

from export.formats.kept import ASKED, TOO_LARGE, kept_layers, kept_weights


def order(*weights, **asked):
    weights = [SimpleNamespace(name=name) for name in weights]
    given = {"keep": (), "beyond": (), **asked}
    return SimpleNamespace(skeleton=SimpleNamespace(weights=weights), **given)


def test_a_layer_called_as_an_output_is_kept_by_both_its_names():
    asked = order("conv/kernel", "logits/kernel", "logits/bias")
    assert kept_layers(asked, ["logits_layer"], "why") == {"logits_layer": "why", "logits": "why"}


def test_a_scope_is_of_the_layers_in_it_and_of_no_other():
    asked = order("block/conv/kernel", "block_2/conv/kernel")
    assert kept_layers(asked, ["block"], "why") == {"block": "why", "block/conv": "why"}


def test_what_a_user_asked_for_is_said_where_it_is_too_large_as_well():
    asked = order("a/kernel", "b/kernel", keep=("a",), beyond=("a", "b"))
    assert kept_weights(asked) == {"a": ASKED, "b": TOO_LARGE}
