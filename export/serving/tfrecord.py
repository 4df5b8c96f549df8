"""TFRecord files: each record is its length, its bytes, and a checksum of either.

    uint64 length | uint32 masked crc32c(length) | bytes | uint32 masked crc32c(bytes)

Little-endian. Source: tensorflow `lib/io/record_writer.h`.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from google_crc32c import value as crc32c

HEAD, FOOT = struct.Struct("<QI"), struct.Struct("<I")


class RecordError(ValueError):
    """A file is cut short or corrupt, so TF Serving would refuse to load the model."""


def write_records(path: Path, records: Iterable[bytes]) -> int:
    """Write `records` to `path` and return how many there were."""
    count = 0
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + FOOT.pack(_masked(length)))
            file.write(record)
            file.write(FOOT.pack(_masked(record)))
            count += 1
    return count


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of `path`.

    Raises RecordError at the first one that is cut short or fails its checksum.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        while head := file.read(HEAD.size):
            if len(head) < HEAD.size:
                raise RecordError("ends in the middle of a record's length")
            length, check = HEAD.unpack(head)
            if check != _masked(head[:8]):
                raise RecordError("is no TFRecord file: the checksum of a length is wrong")
            if file.tell() + length + FOOT.size > size:
                raise RecordError("ends in the middle of a record")
            record = file.read(length)
            if FOOT.unpack(file.read(FOOT.size))[0] != _masked(record):
                raise RecordError("has a record whose checksum is wrong")
            yield record


def _masked(data: bytes) -> int:
    """Rotate and offset the checksum, as a checksum of data that holds checksums needs."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
