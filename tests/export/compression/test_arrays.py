"""Arrays of an .npz file as lessons."""

import numpy as np
import pytest

from export.compression.arrays import are_bytes, lessons_of_arrays

IMAGES = np.arange(7 * 4 * 5 * 3, dtype=np.uint8).reshape(7, 4, 5, 3)
LABELS = np.array([0, 0, 0, 1, 1, 0, 1], np.uint8)


@pytest.fixture
def packed(tmp_path):
    """A function (arrays by name) -> the file that holds them."""

    def pack(**arrays):
        path = tmp_path / "pictures.npz"
        np.savez_compressed(path, **arrays)
        return path

    return pack


def written(images, tmp_path):
    images.write_to(tmp_path / "written.npy")
    found = np.load(tmp_path / "written.npy")
    assert (found.shape, found.dtype, found.nbytes) == (images.shape, images.dtype, images.nbytes)
    return found


def test_every_fifth_of_a_class_is_held_out(packed, tmp_path):
    path = packed(images=IMAGES, labels=LABELS)
    lessons = lessons_of_arrays(path, None, mean=(0.5,))
    assert lessons.held_out.labels.tolist() == [0, 1]
    assert lessons.train.labels.tolist() == [0, 0, 1, 0, 1]
    assert np.array_equal(written(lessons.held_out.images, tmp_path), IMAGES[[0, 3]])
    assert np.array_equal(written(lessons.train.images, tmp_path), IMAGES[[1, 2, 4, 5, 6]])
    assert lessons.mean == (0.5,)
    lessons.check((4, 5, 3), 2)
    assert are_bytes(path)


def test_others_are_held_out_where_they_are_named(packed, tmp_path):
    path = packed(images=IMAGES, labels=LABELS)
    lessons = lessons_of_arrays(path, path)
    assert lessons.train.labels.tolist() == lessons.held_out.labels.tolist() == LABELS.tolist()
    assert np.array_equal(written(lessons.held_out.images, tmp_path), IMAGES)


def test_bytes_are_turned_for_a_network_that_takes_blue_first_and_floats_are_as_it_takes_them(
    packed, tmp_path
):
    path = packed(images=IMAGES, labels=LABELS)
    turned = lessons_of_arrays(path, path, turned=True).train.images
    assert np.array_equal(written(turned, tmp_path), IMAGES[..., ::-1])
    path = packed(images=np.float32(IMAGES), labels=LABELS)
    kept = lessons_of_arrays(path, path, turned=True).train.images
    assert np.array_equal(written(kept, tmp_path), np.float32(IMAGES))
    assert not are_bytes(path)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"image": IMAGES, "labels": LABELS}, "cannot be read .*'images' .* is wanted"),
        ({"images": IMAGES, "y": LABELS}, r"cannot be read .*'labels' \(n,\) is wanted"),
        ({"images": IMAGES, "labels": LABELS[:6]}, r"has images \(7, 4, 5, 3\) and labels \(6,\)"),
        ({"images": IMAGES, "labels": np.eye(7)}, r"and labels \(7, 7\) of float64: an .npz with"),
        ({"images": IMAGES, "labels": np.float32(LABELS)}, "of float32: an .npz with"),
        ({"images": np.asfortranarray(IMAGES), "labels": LABELS}, "writes it of arrays in C order"),
        ({"images": IMAGES[:1], "labels": LABELS[:1]}, "has 1 pictures, and some have to be held"),
    ],
)
def test_other_arrays_are_refused(packed, arrays, line):
    with pytest.raises(ValueError, match=line):
        lessons_of_arrays(packed(**arrays), None)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.npz cannot be read \(.*\): an .npz with 'images' "):
        lessons_of_arrays(tmp_path / "x.npz", None)


def test_an_archive_that_is_damaged_further_on_is_refused_where_it_is_read(packed, tmp_path):
    path = packed(images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    at = content.index(b"images.npy") + 300
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"pictures.npz cannot be read \("):
        lessons_of_arrays(path, path).train.images.write_to(tmp_path / "written.npy")
