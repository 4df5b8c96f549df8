"""Preprocessing against the crops of OpenCV and Pillow, and on pictures of every awkward kind."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_nets.catalog import NETS
from keras_nets.preprocess import (
    ImageError,
    Recipe,
    crop_image,
    load_image,
    preprocess,
    preprocess_sample,
    recipe_for,
    recipe_for_image,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "preprocess"
PICTURES = ("landscape_375x500", "small_200x150")
PADDLE = recipe_for(NETS["vgg13"], "paddle")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


def ramp(height: int, width: int) -> np.ndarray:
    """A picture whose every pixel differs: uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 5 % 256, columns * 3 % 256, (rows + columns) % 256], -1).astype("u1")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", PICTURES)
def test_the_paddle_crop_is_opencvs_to_the_last_bit(name):
    crop = crop_image(load_image(GOLDEN / f"{name}.png"), PADDLE)
    assert np.array_equal(crop, load_image(GOLDEN / f"{name}.crop.png"))


@pytest.mark.parametrize(
    ("height", "width"), [(300, 301), (301, 300), (256, 256), (7, 9), (481, 321), (1, 40)]
)
def test_the_torchvision_crop_is_a_resize_of_the_whole_picture_and_a_rounded_centre(height, width):
    picture = ramp(height, width)
    short, long = sorted((height, width))
    long = int(256 * long / short)
    resized = (long, 256) if width > height else (256, long)
    whole = np.asarray(Image.fromarray(picture).resize(resized, Image.Resampling.BILINEAR))
    top, left = (round((side - 224) / 2) for side in whole.shape[:2])

    crop = crop_image(picture, recipe_for(NETS["vgg13"], "torchvision"))
    assert np.array_equal(crop, whole[top : top + 224, left : left + 224])


def test_the_two_centres_differ_where_the_margin_is_odd():
    paddle = Recipe(crop=3, short=4, mean=(0,) * 3, std=(1,) * 3, resample="opencv")
    torchvision = Recipe(crop=3, short=4, mean=(0,) * 3, std=(1,) * 3, resample="pillow")
    picture = ramp(4, 6)  # margins 1 and 3: halves 0.5 and 1.5, floored or rounded to even
    assert np.array_equal(crop_image(picture, paddle), picture[0:3, 1:4])
    assert np.array_equal(crop_image(picture, torchvision), picture[0:3, 2:5])


def test_a_paddle_side_is_rounded_and_a_torchvision_side_cut():
    tall = ramp(481, 321)  # 481 * 256 / 321 = 383.6
    paddle = crop_image(
        tall, Recipe(crop=256, short=256, mean=(0,) * 3, std=(1,) * 3, resample="opencv")
    )
    # (384 - 256) // 2 = 64; in a picture of 383 rows the same pixel centres lie elsewhere.
    centre = (64 + 0.5) * 481 / 384 - 0.5
    low = int(centre)
    expected = tall[low : low + 2, 0, 0] @ [1 - (centre - low), centre - low]
    assert abs(int(paddle[0, 0, 0]) - expected) <= 1


def test_darknet_keeps_corners_in_place():
    recipe = Recipe(crop=5, short=5, mean=(0,) * 3, std=(1,) * 3, resample="darknet")
    picture = np.zeros((3, 3, 3), np.uint8)
    picture[..., 0] = [[0, 100, 200], [20, 120, 220], [40, 140, 240]]
    crop = crop_image(picture, recipe)[..., 0]
    assert np.array_equal(crop[0], [0, 50, 100, 150, 200])
    assert np.array_equal(crop[:, 4], [200, 210, 220, 230, 240])


@pytest.mark.parametrize("resample", ["opencv", "pillow", "darknet"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (900, 2), (64, 64)])
def test_pictures_of_any_shape_fill_the_crop(resample, height, width):
    recipe = Recipe(crop=56, short=64, mean=(0,) * 3, std=(1,) * 3, resample=resample)
    flat = np.full((height, width, 3), (10, 20, 30), np.uint8)
    crop = crop_image(flat, recipe)
    assert crop.shape == (56, 56, 3) and crop.dtype == np.uint8
    assert (crop == (10, 20, 30)).all()


def test_values_are_normalised_by_channel():
    picture = np.full((256, 256, 3), (0, 128, 255), np.uint8)
    values = preprocess(picture, PADDLE)
    expected = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert values.shape == (224, 224, 3) and values.dtype == np.float32
    np.testing.assert_allclose(values[100, 100], expected, rtol=1e-6)


def test_darknet_values_are_rgb_between_zero_and_one():
    recipe = recipe_for(NETS["darknet53"], "darknet")
    values = preprocess(np.full((300, 400, 3), (0, 128, 255), np.uint8), recipe)
    np.testing.assert_allclose(values[0, 0], [0, 128 / 255, 1], rtol=1e-6)


def test_recipes_follow_the_published_sizes():
    sizes = {name: (r.crop, r.short) for name, net in NETS.items() for r in [recipe_for(net)]}
    assert sizes.pop("darknet53") == (256, 256)
    assert len(sizes) == 7 and set(sizes.values()) == {(224, 256)}


def test_another_image_size_keeps_the_proportion():
    assert recipe_for(NETS["squeezenet1_1"], size=64).short == 73
    assert recipe_for(NETS["darknet53"], size=64).short == 64


def test_an_unknown_flavour_and_an_impossible_crop_say_what_there_is():
    with pytest.raises(ValueError, match="vgg13 has no flavour 'darknet'; it comes as paddle, t"):
        recipe_for(NETS["vgg13"], "darknet")
    with pytest.raises(ValueError, match="short 200, crop 224"):
        Recipe(crop=224, short=200, mean=(0,) * 3, std=(1,) * 3, resample="opencv")
    with pytest.raises(ValueError, match="'cubic'; there are opencv, pillow, darknet"):
        Recipe(crop=224, short=256, mean=(0,) * 3, std=(1,) * 3, resample="cubic")


def test_path_text_bytes_image_and_array_give_the_same_input(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(ramp(60, 80)), "PNG"))
    recipe = Recipe(crop=56, short=64, mean=(0,) * 3, std=(1,) * 3, resample="opencv")
    expected = preprocess(ramp(60, 80), recipe)
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        assert np.array_equal(preprocess(source, recipe), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures_are_turned_as_their_exif_orientation_says(kind, orientation):
    upright = np.full((40, 60, 3), 255, np.uint8)
    upright[:20, :20] = 0  # a dark corner at the top left
    turns = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}
    quarter, mirrored = turns.get(orientation, (0, 0))
    stored = np.rot90(upright, quarter)
    stored = stored[:, ::-1] if mirrored else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    assert loaded.shape == (40, 60, 3)
    assert loaded[:16, :16].max() < 30 and loaded[24:].min() > 225 and loaded[:, 24:].min() > 225


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF"),
     ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "JPEG"), ("RGB", "WEBP"), ("RGB", "BMP")],
)  # fmt: skip
def test_every_colour_mode_becomes_rgb(mode, kind):
    colour = (255, 255, 255) if mode in ("L", "1", "LA") else (200, 30, 60)
    image = Image.new("RGB", (30, 20), colour)
    image = image.quantize() if mode == "P" else image.convert(mode)
    loaded = load_image(encoded(image, kind))
    assert loaded.shape == (20, 30, 3) and loaded.dtype == np.uint8
    assert np.abs(loaded.astype(int) - colour).max() <= 12


def test_transparency_shows_the_colour_under_it_and_warns_nobody(recwarn):
    image = Image.new("RGBA", (30, 20), (200, 30, 60, 0))
    assert (load_image(encoded(image, "PNG")) == (200, 30, 60)).all()
    palette = encoded(Image.new("RGB", (30, 20), (200, 30, 60)).quantize(), "PNG",
                      transparency=b"\0" * 8)  # fmt: skip
    assert (load_image(palette) == (200, 30, 60)).all()
    assert not recwarn.list


def test_sixteen_bits_keep_the_upper_eight():
    deep = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    for kind in ("PNG", "TIFF"):
        loaded = load_image(encoded(Image.fromarray(deep), kind))
        assert np.array_equal(loaded, np.stack([deep >> 8] * 3, -1))


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert np.abs(load_image(data).astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no picture of AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP$"),
     (b"GIF89a", "cannot read"),
     (encoded(NOISE, "PNG")[:6000], "truncated"),
     (encoded(NOISE, "JPEG")[:1500], "truncated"),
     (encoded(Image.new("F", (9, 9)), "TIFF"), r"32-bit pixels \(mode F\)")],
)  # fmt: skip
def test_a_broken_picture_is_one_line_that_names_it(tmp_path, content, reason):
    path = tmp_path / "broken one.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as error:
        preprocess(path, PADDLE)
    assert "broken one.jpg" in str(error.value) and "\n" not in str(error.value)


def test_missing_files_folders_and_wrong_arrays_are_refused(tmp_path):
    with pytest.raises(ImageError, match="nowhere.png': No such file"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="Is a directory"):
        load_image(tmp_path)
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), "u1"), np.zeros((0, 4, 3), "u1")):
        with pytest.raises(ImageError, match=r"an array is RGB as uint8 \(height, width, 3\)"):
            load_image(wrong)


def test_a_sliver_is_refused_before_pillow_blows_it_up():
    sliver = np.zeros((1, 2_000_000, 3), np.uint8)
    with pytest.raises(ImageError, match="becomes 512000000x256"):
        crop_image(sliver, recipe_for(NETS["vgg13"], "torchvision"))
    assert crop_image(sliver, PADDLE).shape == (224, 224, 3)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    keep=st.floats(0.0, 1.0),
)
@pytest.mark.filterwarnings("ignore")  # decoders warn of odd metadata
def test_damaged_files_give_a_picture_or_our_error(kind, edits, keep):
    data = bytearray(encoded(Image.fromarray(ramp(24, 32)), kind))
    for place, value in edits:
        data[int(place * len(data))] = value
    try:
        loaded = load_image(bytes(data[: int(keep * len(data)) + 1]))
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert loaded.dtype == np.uint8 and loaded.shape[2:] == (3,)


def test_a_sample_is_spread_over_the_folder(tmp_path):
    small = recipe_for(NETS["squeezenet1_1"], size=64)
    with pytest.raises(ValueError, match="there is no picture below"):
        preprocess_sample(tmp_path, small)
    for shade in range(7):
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
    chosen = preprocess_sample(tmp_path, small, 3)
    assert chosen.shape == (3, 64, 64, 3)
    of_each = [preprocess(tmp_path / f"{shade}.png", small) for shade in (0, 2, 4)]
    np.testing.assert_array_equal(chosen, of_each)
    assert len(preprocess_sample(tmp_path, small, 100)) == 7
    (tmp_path / "6.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"cannot read '.*6\.png'"):
        preprocess_sample(tmp_path, small)


def test_pictures_become_square_images_of_three_channels_only():
    net = NETS["vgg13"]
    assert recipe_for_image(net, "torchvision", (96, 96, 3)) == recipe_for(net, "torchvision", 96)
    for image in ((96, 64, 3), (96, 96, 1)):
        with pytest.raises(ValueError, match=r"this vgg13 takes images 96x\d+x\d; pictures are"):
            recipe_for_image(net, "paddle", image)


def test_preprocessing_loads_neither_keras_nor_tensorflow():
    code = "import sys, keras_nets.preprocess; print(*sys.modules)"
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert "keras_nets.preprocess" in ran.stdout.split()
    assert not {"keras", "tensorflow"} & set(ran.stdout.split())
