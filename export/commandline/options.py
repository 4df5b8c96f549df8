"""Parsers, options and types of arguments that several command lines share."""

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterable

from export.commandline.spelling import spelled
from export.names import choose
from export.required import NAMES

SEEDS = 2**32  # numpy's generators take seeds below this
SIDE = 4096  # pixels; a VGG's activations alone take 20 GB at this size


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser that shows `description`, and takes no abbreviated options.

    Tools are named in it as this one was called.
    """
    return _Parser(
        description=spelled(description),
        formatter_class=_Formatter,
        allow_abbrev=False,  # or an option that is added later changes what a command means
    )


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Folds lines, and leaves names such as onnx-int8 whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class _Parser(argparse.ArgumentParser):
    def parse_args(self, args=None, namespace=None):
        args = sys.argv[1:] if args is None else list(args)
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            hint = _hint(args, found, unknown[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found


def _hint(args: list[str], found: argparse.Namespace, word: str) -> str:
    """What to type where `word` follows the value of an option that takes one, again and again."""
    if word not in args[2:] or word.startswith("-"):
        return ""
    option, value = args[: args.index(word)][-2:]
    if not isinstance(vars(found).get(option.lstrip("-").replace("-", "_")), list):
        return ""
    return f"; {option} takes one value, so repeat it: {option} {value} {option} {word}"


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number from `least` to `most`."""
    bounds = f"from {least} up" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(
                f"should be a whole number {bounds}. Received: {text!r}"
            )
        return number

    return read


positive = whole(1)


def sizes(text: str) -> tuple[int, int]:
    """(height, width) in pixels, from `HxW` or one number for both."""
    height, x, width = text.lower().partition("x")
    side = whole(1, SIDE)
    try:
        return side(height), side(width if x else height)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"should be one whole number from 1 to {SIDE}, or two as in 224x320. Received: {text!r}"
        ) from error


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from 1 up between commas, each once and in order."""
    try:
        return tuple(sorted({positive(part.strip()) for part in text.split(",")}))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"should be whole numbers from 1 up, as in 1,4,8. Received: {text!r}"
        ) from error


def named(known: Iterable[str], kind: str) -> Callable[[str], str]:
    """Return the type of an argument that is one of `known`, in upper or lower case."""

    def read(text: str) -> str:
        try:
            return choose(text, known, kind)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def add_model(parser: argparse.ArgumentParser, words: str, **options) -> None:
    """Options on which Keras model, and on how it is built; `options` go to --model."""
    parser.add_argument("--model", metavar="MODEL", help=words, **options)
    add_building(parser)


def add_building(parser: argparse.ArgumentParser) -> None:
    """Options on how a model is built."""
    add = parser.add_argument
    add("--model-arg", action="append", default=[], metavar="KEY=VALUE",
        help="of the function that builds the model; may be repeated")  # fmt: skip
    add("--custom-objects", action="append", default=[], metavar="MODULE",
        help="a module that registers layers with Keras; may be repeated")  # fmt: skip
    add("--allow-unsafe", action="store_true",
        help="run code that a model's file holds, such as Lambda layers")  # fmt: skip


def share(text: str) -> float:
    """Read an argument that is a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"should be a number from 0 to 1. Received: {text!r}")
    return number


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Options on what is asked of the checks."""
    add = parser.add_argument
    add("--strict", action="store_true", help="self-test, and fail where a planted bug is missed")
    add("--layers", action="store_true", help="compare layer by layer, even where all is well")
    add("--partial-engines", action="store_true",
        help="accept TF-TRT engines for a part of the network, and say their share")  # fmt: skip
    add("--require", action="append", default=[], metavar="CHECK", type=named(NAMES, "check"),
        help=f"fail where it is skipped: {', '.join(NAMES)}; may be repeated")  # fmt: skip


def add_output(parser: argparse.ArgumentParser) -> None:
    """Options on what is printed."""
    add = parser.add_argument
    add("--json", action="store_true", help="a line of JSON for each artifact on stdout")
    add(
        "--verbose",
        action="store_true",
        help="show what each check found, what libraries say, and traces of errors",
    )


def without_models(argv: list[str]) -> list[str]:
    """`argv` without its --model and --json: what each of several networks is done with."""
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    own.add_argument("--model", action="append")
    own.add_argument("--json", action="store_true")
    return own.parse_known_args(argv)[1]
