"""Which files of a folder are pictures, and what is refused before it costs anything."""

import io
import os
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_nets.pictures import FORMATS, MOST_PIXELS, ImageError, list_images, load_image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header has these sides, over the pixels of a tiny one."""
    data = bytearray(encoded(Image.new("RGB", (2, 2)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_a_folder_is_walked_in_order_past_what_is_no_picture(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("c.PNG", "b/a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(encoded(Image.new("RGB", (80, 60)), "PNG"))
    names = [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)]
    assert names == ["b/a.jpg", "c.PNG"]


@pytest.mark.parametrize(
    "aside",
    [".ipynb_checkpoints", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information",
     ".hidden"],
)  # fmt: skip
def test_folders_that_programs_made_are_passed_over(tmp_path, aside):
    for folder in ("cat", aside, f"cat/{aside}"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.jpg").touch()
        (tmp_path / folder / ".DS_Store").touch()
        (tmp_path / folder / "Thumbs.db").touch()
    assert list_images(tmp_path) == [tmp_path / "cat" / "0.jpg"]
    assert list_images(tmp_path / aside) == [tmp_path / aside / "0.jpg"]  # that was asked for


def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "c" / "0.png")
    (tmp_path / "a" / "linked").symlink_to("../c")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "b" / "there").symlink_to("../a")
    (tmp_path / "c" / "back").symlink_to("../b")
    found = {path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)}
    assert found == {"a/linked/0.png", "b/there/linked/0.png", "c/0.png"}


@pytest.mark.parametrize("sides", [(9000, 9000), (MOST_PIXELS + 1, 1), (30_000, 30_000)])
def test_more_pixels_than_the_limit_are_refused_before_one_is_decoded(sides, recwarn):
    with pytest.raises(ImageError, match="64,000,000 pixels|decompression bomb"):
        load_image(png_that_claims(*sides))
    with pytest.raises(ImageError, match="truncated"):  # the limit itself is let through
        load_image(png_that_claims(8000, 8000))
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "WEBP"])
def test_the_limit_holds_for_every_kind_of_file(kind, monkeypatch):
    data = encoded(Image.new("RGB", (64, 64)), kind)
    assert load_image(data).shape == (64, 64, 3)
    monkeypatch.setattr("keras_nets.pictures.MOST_PIXELS", 4095)
    with pytest.raises(ImageError, match="64x64 pixels are over the limit of 4,095"):
        load_image(data)


def test_no_other_program_is_run_whatever_a_file_calls_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was run"))
    path = tmp_path / "x.jpg"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    assert Image.open(path).format == "EPS"
    with pytest.raises(ImageError, match=f"no picture of {', '.join(FORMATS)}"):
        load_image(path)


def test_what_is_no_file_of_bounded_size_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    with pytest.raises(ImageError, match="it is no regular file"):
        load_image(tmp_path / "fifo.jpg")
    with (tmp_path / "endless.webp").open("wb") as file:
        file.write(b"RIFF\xf0\xff\xff\xffWEBPVP8 ")
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match="bytes are over the limit of 536,870,912"):
        load_image(tmp_path / "endless.webp")


def test_a_text_of_a_gigabyte_inside_a_png_is_refused(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "x" * (2 << 20), zip=True)
    with pytest.raises(ImageError, match="Decompressed data too large"):
        load_image(encoded(Image.new("RGB", (9, 9)), "PNG", pnginfo=info))


def test_an_image_of_the_caller_is_left_as_it_was():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.open(io.BytesIO(encoded(Image.new("RGB", (30, 20)), "JPEG", exif=exif)))
    assert load_image(turned).shape == (30, 20, 3)
    assert turned.size == (30, 20) and turned.getexif()[0x0112] == 6
    assert np.array_equal(load_image(turned), load_image(turned))


def test_a_grey_pgm_of_16_bits_keeps_the_upper_8_as_a_png_does():
    deep = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    pgm = b"P5 64 64 65535\n" + deep.astype(">u2").tobytes()
    png = encoded(Image.fromarray(deep), "PNG")
    assert np.array_equal(load_image(pgm)[..., 0], (deep >> 8).astype(np.uint8))
    assert np.array_equal(load_image(pgm), load_image(png))
