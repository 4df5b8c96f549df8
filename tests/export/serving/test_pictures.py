"""A picture that is cut short is told from one with something inside it or after it."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from export.serving.pictures import check_picture, read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)


def encoded(kind: str, pixels=PIXELS, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG whose APP1 segment holds a whole JPEG, as of a camera."""
    thumbnail, whole = encoded("JPEG", PIXELS[::8, ::8]), encoded("JPEG")
    content = b"Exif\0\0" + thumbnail
    return whole[:2] + b"\xff\xe1" + (2 + len(content)).to_bytes(2, "big") + content + whole[2:]


PICTURES = {
    "PNG": encoded("PNG"),
    "JPEG": encoded("JPEG"),
    "JPEG of several scans": encoded("JPEG", progressive=True),
    "JPEG with restarts": encoded("JPEG", restart_marker_blocks=1),
    "JPEG with a thumbnail": with_thumbnail(),
    "JPEG in grey": encoded("JPEG", PIXELS[..., 0]),
}
each = pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)


@each
def test_whole_pictures_pass_whatever_a_phone_appends_to_them(data):
    check_picture(data)
    film = b"\0\0\0\x18ftypmp42" + bytes(100_000)  # a Motion Photo
    check_picture(data + film)
    check_picture(data + data[: len(data) // 2])


@each
def test_pictures_that_are_cut_anywhere_are_refused(data):
    for keep in (*range(12, len(data) - 1, 97), len(data) * 3 // 4, len(data) - 2, len(data) - 1):
        with pytest.raises(ValueError, match="a (JPEG|PNG) that is cut short"):
            check_picture(data[:keep])


def test_what_the_library_decodes_whole_is_what_passes():
    data = PICTURES["JPEG with a thumbnail"]
    for keep in range(1000, len(data), 411):
        with pytest.raises(OSError, match="(?i)truncated"):
            Image.open(io.BytesIO(data[:keep])).load()
        with pytest.raises(ValueError, match="cut short"):
            check_picture(data[:keep])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"BM" + bytes(99)])
def test_other_files_are_refused(data):
    with pytest.raises(ValueError, match="neither a JPEG nor a PNG"):
        check_picture(data)


def test_a_jpeg_of_markers_without_pixels_is_refused_in_time():
    with pytest.raises(ValueError, match="cut short"):
        check_picture(b"\xff\xd8" + b"\xff\xe1\0\0" * 1_000_000)
    with pytest.raises(ValueError, match="cut short"):
        check_picture(b"\xff\xd8\xff\xda\0\2" + b"\xff" * 10_000_000)


def test_a_file_that_is_no_picture_is_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cut.png").write_bytes(PICTURES["PNG"][:60])
    for name, text in {
        "pipe": "no regular file",
        "cut.png": "cut short",
        "none.jpg": "cannot be read: No such file",
        "": "is a folder",
    }.items():
        with pytest.raises(ValueError, match=text) as caught:
            read_picture(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
