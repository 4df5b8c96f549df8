"""The names of the classes, from a text file with a class a line."""

import codecs
import re
import unicodedata
from pathlib import Path

from export.errors import ArtifactError
from export.files import read_bounded

LARGEST = 16 << 20  # bytes; ImageNet-21k's 21,841 names take 1 MB
# Windows' Notepad writes these before the text; UTF-32's begins with UTF-16's, so it goes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_ENDS = re.compile(r"\r\n|\n|\r")  # str.splitlines would cut a name at other characters too


def read_labels(path: Path, classes: int | None = None) -> tuple[str, ...]:
    """Return the labels in the text file `path`, class 0 first, without spaces around them.

    Blank lines are ignored, and a name may occur twice, as `crane` does in ImageNet. Raises
    ValueError if the file cannot be read, is not text, or does not have `classes` labels, if that
    is given.
    """
    lines = [line.strip() for line in read_lines(path, LARGEST)]
    labels = tuple(line for line in lines if line)
    if not labels:
        raise ValueError(f"{path} holds no label; it should have one line for each class")
    _refuse_control_characters(path, labels)
    if classes is not None and len(labels) != classes:
        raise ValueError(
            f"{path} should have one line for each of {classes} classes. "
            f"Received: {len(labels)}{_surplus(labels, classes)}"
        )
    return labels


def read_lines(path: Path, largest: int) -> list[str]:
    """Return the lines of a text file in UTF-8, or in the encoding of its byte order mark.

    Raises ValueError if it cannot be read, has more than `largest` bytes, or is not text.
    """
    try:
        data = read_bounded(path, largest)
    except OSError as error:
        raise ValueError(f"cannot read labels from {path}: {error.strerror or error}") from error
    except ArtifactError as error:
        raise ValueError(f"cannot read labels: {error}") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return _LINE_ENDS.split(data.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"cannot read labels from {path}: byte {error.start} is not {encoding.upper()}; "
            "save it as UTF-8"
        ) from error


def _refuse_control_characters(path: Path, labels: tuple[str, ...]) -> None:
    """Raise ValueError for a NUL, as in UTF-16 without a mark, or an escape for terminals."""
    for number, label in enumerate(labels, start=1):
        if any(unicodedata.category(sign) == "Cc" and sign != "\t" for sign in label):
            raise ValueError(
                f"label {number} of {path} has control characters: {label[:80]!r}; "
                "save it as plain text in UTF-8"
            )


def _surplus(labels: tuple[str, ...], classes: int) -> str:
    """Return a hint if the list begins with a background class, as in other frameworks."""
    if len(labels) == classes + 1 and labels[0].lower() in ("background", "__background__"):
        return f"; delete its first, {labels[0]!r}"
    return ""
