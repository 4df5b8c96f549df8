"""Rewrite byte fields deep inside a serialized protobuf, without parsing or copying the rest.

Artifacts are protobufs in which a few fields hold hundreds of megabytes. A `Schema` says which
fields to descend into; everything else is passed through as it is. This is how weights are poured
into a finished file and, the other way round, drained from it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

LENGTH_DELIMITED = 2  # wire type of bytes, strings and messages

# Maps a field number to the schema of its message, or to CONTENT for the bytes to rewrite.
Schema = dict
CONTENT = None


@dataclass(frozen=True)
class Stream:
    """Bytes that are computed when written: `chunks` yields buffers of `size` bytes in all."""

    size: int
    chunks: Callable[[], Iterable]


class WireError(ValueError):
    """Bytes are not a protobuf of the expected kind."""


def schema(message, *paths: str) -> Schema:
    """Return the schema of the contents at `paths` below a protobuf class `message`.

    A path names fields: `schema(ModelProto, "graph.initializer.raw_data")`. An entry of a map has
    the fields `key` and `value`. Raises KeyError for a name that is no field.
    """
    found: Schema = {}
    for path in paths:
        below, kind = found, message.DESCRIPTOR
        *above, last = path.split(".")
        for name in above:
            field = kind.fields_by_name[name]
            below, kind = below.setdefault(field.number, {}), field.message_type
        below[kind.fields_by_name[last].number] = CONTENT
    return found


def rewrite(message: memoryview, schema: Schema, replace: Callable) -> list:
    """Return pieces (buffers and Streams) that make up `message` with its contents replaced.

    `replace(offset, content)` is called with each CONTENT field (offset within `message`) and
    returns bytes or a Stream to put there, or None to leave it.
    """
    pieces, changed = _rewrite(message, 0, schema, replace)
    return pieces if changed else [message]


def total(pieces: list) -> int:
    """Size in bytes of `pieces` once written."""
    return sum(piece.size if isinstance(piece, Stream) else len(piece) for piece in pieces)


def write(pieces: list, file) -> None:
    """Write `pieces` to a binary `file`, streams a chunk at a time."""
    for piece in pieces:
        if isinstance(piece, Stream):
            written = 0
            for chunk in piece.chunks():
                written += file.write(chunk)
            if written != piece.size:
                raise WireError(f"a stream gave {written} bytes instead of {piece.size}")
        else:
            file.write(piece)


def _rewrite(message: memoryview, offset: int, schema: Schema, replace) -> tuple[list, bool]:
    pieces, kept, changed = [], 0, False
    for number, start, body, end in _fields(message):
        if number not in schema:
            continue
        content, below = message[body:end], schema[number]
        if below is CONTENT:
            made = replace(offset + body, content)
            inner, differs = ([made], True) if made is not None else ([], False)
        else:
            inner, differs = _rewrite(content, offset + body, below, replace)
        if differs:
            pieces.append(message[kept:start])
            pieces.append(_varint(number << 3 | LENGTH_DELIMITED) + _varint(total(inner)))
            pieces.extend(inner)
            kept, changed = end, True
    pieces.append(message[kept:])
    return pieces, changed


def _fields(message: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, start, body, end) of each length-delimited field of `message`."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            _, at = _read_varint(message, at)
        elif wire_type == 1:
            at += 8
        elif wire_type == 5:
            at += 4
        elif wire_type == LENGTH_DELIMITED:
            size, body = _read_varint(message, at)
            at = body + size
            if at <= len(message):
                yield number, start, body, at
        else:
            raise WireError(f"wire type {wire_type} at byte {start}")
        if at > len(message):
            raise WireError(f"a field at byte {start} ends past the end of its message")


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(message) or shift > 63:
            raise WireError(f"a number at byte {at} does not end")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
