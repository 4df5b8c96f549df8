"""`--model-arg KEY=VALUE`: arguments of the function that builds a model."""

import ast
import math
from collections.abc import Iterable

from keras_nets.errors import SourceError

PLAIN = (str, bool, int, float, type(None))


def read_arguments(texts: Iterable[str]) -> dict:
    """Return {key: value} of texts `KEY=VALUE`.

    A value that is a Python literal is read as one, and any other is text. Lists become tuples,
    because report.json cannot tell the two apart. Raises SourceError for what is no such text.
    """
    arguments = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise SourceError(
                f"--model-arg {text!r} is no KEY=VALUE; write one as in --model-arg classes=10"
            )
        if key in arguments:
            raise SourceError(f"--model-arg {key} is given twice; give it once")
        arguments[key] = _kept(key, _value(value))
    return arguments


def from_report(arguments: dict) -> dict:
    """Return arguments as a function gets them, out of what report.json holds."""
    return {key: _kept(key, value) for key, value in arguments.items()}


def _value(text: str):
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


def _kept(key: str, value, depth: int = 0):
    """`value` with its lists as tuples; SourceError for what JSON cannot hold."""
    if isinstance(value, (list, tuple)) and depth < 8:
        return tuple(_kept(key, one, depth + 1) for one in value)
    if isinstance(value, dict) and depth < 8 and all(isinstance(name, str) for name in value):
        return {name: _kept(key, one, depth + 1) for name, one in value.items()}
    if isinstance(value, PLAIN) and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    raise SourceError(
        f"--model-arg {key} is a {type(value).__name__} that a report cannot keep; give numbers, "
        "texts, True, False, None, and tuples or dicts of those"
    )
