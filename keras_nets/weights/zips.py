"""Zip archives of others: bounded before they are opened, read as streams."""

import io
import struct
import zipfile
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.tensor import Window

MAX_DIRECTORY = 4 << 20  # bytes; that of a thousand tensors takes 0.1 MB, zipfile holds ten times
# Bytes that a member may unpack to, for each that it takes. Trained weights take nearly what they
# are; pruned to a tenth they take a tenth. Deflate can do 1032, which is a bomb.
MOST_FOR_ONE = 200
ALWAYS_ALLOWED = 64 << 10  # bytes; a layer of zeros is no bomb
STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_TAIL = 65_535 + 22  # the longest comment, and the record that it ends


class Archive:
    """An open zip: its members' names, and their bytes in order."""

    def __init__(self, file: BinaryIO, size: int):
        _check_directory(file, size)
        self.file, self._size = file, size
        self._zip = zipfile.ZipFile(file)
        self._members = {}
        for info in self._zip.infolist():
            if info.compress_type not in STORED_OR_DEFLATED or info.flag_bits & 1:
                raise WeightsError(
                    f"its member {info.filename[:200]!r} is encrypted or compressed unusually;"
                    " unpack it and zip it anew"
                )
            _check_sizes(info)
            if info.filename in self._members:  # readers differ in which of them they take
                raise WeightsError(f"it is a zip with two members {info.filename[:200]!r}")
            self._members[info.filename] = info
        if sum(info.compress_size for info in self._members.values()) > size:
            raise WeightsError("it is a zip whose members overlap; it is damaged or a bomb")

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def size(self, name: str) -> int:
        """Return the unpacked size in bytes that a member claims."""
        return self._members[name].file_size

    def require_stored(self, name: str, maker: str) -> None:
        """Raise WeightsError if a member is compressed, which its `maker` never does."""
        if self._members[name].compress_type != zipfile.ZIP_STORED:
            raise WeightsError(
                f"its member {name[:200]!r} is compressed; save it anew with {maker}"
            )

    def small_file(self, name: str, most: int) -> io.BytesIO:
        """Return a whole member; raise WeightsError if it claims more than `most` bytes."""
        if self.size(name) > most:
            raise WeightsError(
                f"its member {name[:200]!r} claims {self.size(name):_} bytes; {most:_} are allowed"
            )
        with self._zip.open(self._members[name]) as member:
            return io.BytesIO(member.read(most))

    def stream(self, name: str, start: int, count: int):
        """`count` bytes of a member from `start` on; WeightsError if it holds fewer."""
        if start + count > self.size(name):
            raise WeightsError(
                f"its member {name[:200]!r} holds {self.size(name):_} bytes where a tensor needs"
                f" {start + count:_}"
            )
        if not start:  # whole, and against its CRC
            return self._zip.open(self._members[name])
        # To seek in a compressed member is to unpack it again, up to there.
        offset, _ = self.stored(name, "torch")
        return Window(self.file, offset + start, count)

    def stored(self, name: str, maker: str) -> tuple[int, int]:
        """(offset in the file, length) of a member; WeightsError if it is compressed."""
        self.require_stored(name, maker)
        info = self._members[name]
        self.file.seek(info.header_offset)
        header = self.file.read(30)
        if header[:4] != b"PK\x03\x04" or len(header) != 30:
            raise ValueError("a member without its header")
        start = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
        if start + info.file_size > self._size:
            raise WeightsError(f"its member {name[:200]!r} is cut off; fetch the file again")
        return start, info.file_size


def _check_sizes(info: zipfile.ZipInfo) -> None:
    """Raise where a member claims to unpack to more than weights can."""
    if info.file_size > ALWAYS_ALLOWED + MOST_FOR_ONE * info.compress_size:
        raise WeightsError(
            f"its member {info.filename[:200]!r} claims {info.file_size:_} bytes out of"
            f" {info.compress_size:_}, and weights do not pack that small; save it uncompressed"
        )


def _check_directory(file: BinaryIO, size: int) -> None:
    """Raise where the central directory is so large that listing it would take much memory."""
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        raise WeightsError("it is a zip without its end; it is cut off, fetch it again")
    directory = struct.unpack_from("<I", tail, end + 12)[0]
    locator = end - 20
    if locator >= 0 and tail.startswith(b"PK\x06\x07", locator):
        directory = directory if directory != 0xFFFFFFFF else 0
        # Some versions of zipfile look for the record at the offset given, some right before.
        given = struct.unpack_from("<Q", tail, locator + 8)[0]
        for place in (min(size, given), max(0, size - len(tail) + locator - 56)):
            file.seek(place)
            record = file.read(56)
            if record[:4] == b"PK\x06\x06" and len(record) == 56:
                directory = max(directory, struct.unpack_from("<Q", record, 40)[0])
    if directory > MAX_DIRECTORY:
        raise WeightsError(f"it is a zip whose list of members takes {directory:_} bytes")
