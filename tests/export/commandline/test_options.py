"""Arguments of the command lines, as they are read."""

import argparse

import pytest

from export.commandline import options


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (options.positive, "7", 7),
        (options.whole(0), "0", 0),
        (options.whole(-3, 3), "-3", -3),
        (options.sizes, "64", (64, 64)),
        (options.sizes, "64X320", (64, 320)),
        (options.numbers, "8, 1,4,4", (1, 4, 8)),
        (options.named(("vgg13", "alexnet"), "network"), "VGG13", "vgg13"),
    ],
)
def test_what_makes_sense_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (options.positive, "0"),
        (options.positive, "1.0"),
        (options.positive, ""),
        (options.positive, "²"),
        (options.positive, "9" * 100_000),
        (options.whole(0, 3), "4"),
        (options.sizes, "64x"),
        (options.sizes, "64x64x3"),
        (options.sizes, "1000000"),
        (options.numbers, "1,,4"),
        (options.numbers, "1,-4"),
        (options.named(("vgg13", "alexnet"), "network"), "vgg1"),
    ],
)
def test_what_makes_none_is_repeated_in_the_error(read, text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read(text)
    assert repr(text)[:50] in str(caught.value)


def test_only_models_and_json_are_taken_out_of_a_command_line():
    argv = ["--model=a", "--seed", "-1", "--json", "--out", "my folder", "--model", "b", "--new=x"]
    assert options.without_models(argv) == ["--seed", "-1", "--out", "my folder", "--new=x"]


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (
            ["--format", "a", "b", "c"],
            ": b c; --format takes one value, so repeat it: --format a --format b",
        ),
        (["--format", "a", "--onnx"], ": --onnx"),
        (["--out", "a", "b"], ": b"),
        (["b"], ": b"),
    ],
)
def test_several_values_after_one_option_are_answered_with_what_to_type(words, end, capsys):
    parser = options.make_parser("Does nothing.")
    parser.add_argument("--format", action="append")
    parser.add_argument("--out")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert capsys.readouterr().err.endswith(f"unrecognized arguments{end}\n")
