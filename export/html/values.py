"""Read values of any report.json as the type that a page needs, or as empty."""

import base64
import math
from datetime import datetime

LARGEST_PNG = 1 << 17  # characters of base64


def mapping(value) -> dict:
    return value if isinstance(value, dict) else {}


def sequence(value) -> list:
    return list(value) if isinstance(value, list | tuple) else []


def text(value) -> str:
    """Return a string, a number or a list of them as text; anything else is empty."""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(text, value)))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return "".join(map(_printable, str(value))).strip()


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def texts(value) -> dict[str, str]:
    return {text(k): text(v) for k, v in mapping(value).items() if text(k) and text(v)}


def number(value) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond any float
        return None


def positive(value) -> float | None:
    """Return a finite number from 0 up, or None."""
    return value if number(value) is not None and value >= 0 else None


def time(value) -> str:
    """`value` if it is a time in ISO 8601, else empty."""
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return ""
    return value


def png(value) -> str:
    """`value` if it is a small PNG in base64, and nothing else; empty for anything else."""
    if not isinstance(value, str) or len(value) > LARGEST_PNG:
        return ""
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        return ""
    return value if data.startswith(b"\x89PNG\r\n") else ""
