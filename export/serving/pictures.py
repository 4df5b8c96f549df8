"""Check that a file is a whole picture that the server can decode, without decoding it.

A server joins requests to batches, and one picture that does not decode fails the whole batch.
Bytes after the end of a picture are ignored, because phones append a film to it.
"""

import re
from pathlib import Path

from export.errors import ArtifactError
from export.files import read_bounded

LARGEST = 64 << 20  # bytes of a picture's file
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# In coded pixels 0xFF is followed by 0, or by the number of a restart. All else ends them.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_END, _START_OF_SCAN = b"\xd9", b"\xda"
_ALONE = (b"\x01", b"\xd8", b"\xd9")  # no length follows these


def read_picture(path: Path) -> bytes:
    """Return the bytes of a file that holds a whole JPEG or PNG.

    Raises ValueError, which names the file, if it is missing, is not a regular file of at most
    `LARGEST` bytes, or is not a whole picture.
    """
    try:
        data = read_bounded(path, LARGEST)
        check_picture(data)
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder, no picture") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ArtifactError as error:
        raise ValueError(f"{error}, so no picture to send") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return data


def check_picture(data: bytes) -> None:
    """Raise ValueError unless `data` is a JPEG or a PNG from its start to its end."""
    if data.startswith(PNG):
        _walk_png(data)
    elif data.startswith(JPEG):
        _walk_jpeg(data)
    else:
        raise ValueError("neither a JPEG nor a PNG, which is what the server decodes")


def _walk_png(data: bytes) -> None:
    """Chunks are: length, kind, content, checksum."""
    kind, at = b"", len(PNG)
    while kind != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if at > len(data):
            raise ValueError("a PNG that is cut short")


def _walk_jpeg(data: bytes) -> None:
    """Segments are: marker, length, content; a start of scan is followed by coded pixels.

    Looking for the end marker alone would find that of a thumbnail, which is a whole JPEG inside
    of a segment.
    """
    at, scanned = 2, False
    while found := _MARKER.search(data, at):
        marker, at = found[1], found.end()
        if marker == _END and scanned:
            return
        if marker not in _ALONE:
            scanned |= marker == _START_OF_SCAN
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise ValueError("a JPEG that is cut short")
