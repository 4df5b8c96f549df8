"""`--model-arg KEY=VALUE`."""

import pytest

from keras_nets.errors import SourceError
from keras_nets.sources.arguments import from_report, read_arguments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=10", 10),
        ("x=0.35", 0.35),
        ("x=None", None),
        ("x=True", True),
        ("x='10'", "10"),
        ("x=imagenet", "imagenet"),
        ("x=(64, 64, 3)", (64, 64, 3)),
        ("x=[64,64,3]", (64, 64, 3)),
        ("x={'a': [1]}", {"a": (1,)}),
        ("x=", ""),
        ("x=a=b", "a=b"),
        ("x=__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("x=" + "(" * 5000, "(" * 5000),
    ],
)
def test_a_value_is_a_literal_or_text(text, value):
    assert read_arguments([text]) == {"x": value}


@pytest.mark.parametrize("text", ["classes", "=5", "a b=5", "1x=5", ""])
def test_what_is_no_pair_is_one_line(text):
    with pytest.raises(SourceError, match="is no KEY=VALUE; write one as in"):
        read_arguments([text])


@pytest.mark.parametrize("value", ["b'x'", "{1, 2}", "1e999", "2j", "{1: 2}", "..."])
def test_what_a_report_cannot_keep_is_refused(value):
    with pytest.raises(SourceError, match="--model-arg x is a .* that a report cannot keep"):
        read_arguments([f"x={value}"])


def test_a_key_is_given_once():
    with pytest.raises(SourceError, match="--model-arg classes is given twice"):
        read_arguments(["classes=1", "classes=2"])


def test_lists_of_a_report_are_what_the_function_got():
    assert from_report({"shape": [64, [1, 2]]}) == read_arguments(["shape=(64, (1, 2))"])
