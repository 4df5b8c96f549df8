"""Words that only pages have."""

import pytest

from export.html.facts import Guess
from export.html.words import guess, shortened, tick


@pytest.mark.parametrize(
    "value, said", [(1e-4, "10⁻⁴"), (5e-5, "5·10⁻⁵"), (0.02, "0.02"), (1000, "1,000"), (1e6, "10⁶")]
)
def test_ticks(value, said):
    assert tick(value) == said


def test_a_long_name_loses_its_middle():
    assert shortened("conv1") == "conv1"
    assert shortened("block12_expand_relu_and_more", 9) == "bloc…more"


def test_a_prediction_is_a_label_and_its_probability():
    assert guess(Guess("tench", 0.926)) == "tench 93 %"
    assert guess(None) == "–"
