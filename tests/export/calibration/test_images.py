"""Images that ranges are taken from: how many, which, and what they must not be."""

import threading

import numpy as np
import pytest

from export.calibration import reading
from export.calibration.images import Calibration, Made, check, of_array, settled, split

IMAGE = (4, 4, 3)


def images(count: int, seed: int = 0):
    return np.random.default_rng(seed).standard_normal((count, *IMAGE)).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "count", "used", "apart"), [(8, 128, 7, 1), (100, 50, 50, 20), (400, 128, 128, 32)]
)
def test_a_fifth_is_held_out_and_never_calibrated_with(given, count, used, apart):
    parts = split(tuple(range(given)), count)
    assert [len(part) for part in parts] == [used, apart]
    assert not set(parts[0]) & set(parts[1])


def test_images_are_made_in_threads_for_who_goes_through_them_and_in_their_order():
    threads, here = set(), threading.get_ident()

    def make(number):
        threads.add(threading.get_ident())
        return np.full(IMAGE, number, np.float32)

    made = Made(tuple(range(20)), make)
    assert [int(image[0, 0, 0]) for image in made[5:]] == list(range(5, 20))
    assert threads and here not in threads
    assert int(made[7][0, 0, 0]) == 7 and here in threads
    assert len(made[5:]) == 15


def test_too_few_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="7 images are too few to calibrate with; give at least 8"):
        of_array(images(7), "seven.npz")


def test_images_that_are_all_alike_are_refused():
    same = np.repeat(images(1), 10, axis=0)
    with pytest.raises(ValueError, match="in same.npz are all alike"):
        check(of_array(same, "same.npz"), IMAGE)


def test_images_of_one_colour_are_refused():
    plain = np.ones((10, *IMAGE), np.float32) * np.arange(10, dtype=np.float32)[:, None, None, None]
    with pytest.raises(ValueError, match="each image in plain.npz is of one colour"):
        check(of_array(plain, "plain.npz"), IMAGE)


def test_an_image_that_is_not_finite_is_named():
    broken = images(10)
    broken[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="image 3 in broken.npz has values that are not finite"):
        check(of_array(broken, "broken.npz"), IMAGE)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"is of \(4, 4, 3\), and the model takes \(8, 8, 3\)"):
        check(of_array(images(10), "small.npz"), (8, 8, 3))


def test_an_unknown_method_is_told_the_known_ones():
    with pytest.raises(ValueError, match="'median'; known are minmax, entropy, percentile"):
        Calibration(source="here", method="median")


def test_the_hash_is_of_the_images_and_their_order():
    one, other = of_array(images(10), "a"), of_array(images(10)[::-1], "b")
    assert check(one, IMAGE) == check(of_array(images(10), "c"), IMAGE) != check(other, IMAGE)


def test_synthetic_images_take_the_range_of_the_network(skeleton):
    made = settled(reading.synthetic(count=10), skeleton("plain"), 0)
    assert len(made.images) == 10 and len(made.held_out) == 2
    assert made.images[0].shape == skeleton("plain").image
    assert not np.array_equal(made.images[0], made.images[1])
    assert check(made, skeleton("plain").image)


def test_pictures_that_do_not_decode_are_left_out_and_listed(tmp_path):
    def read(path):
        if path.name.startswith("bad"):
            raise ValueError("cut short")
        return images(1, int(path.stem))[0]

    paths = [tmp_path / f"{'bad' if n % 3 == 0 else n}.png" for n in range(1, 31)]
    found = reading.of_pictures(paths, read, "pictures", count=8)
    assert len(found.images) == 8 and len(found.held_out) == 2
    assert found.unread and all("cut short" in line for line in found.unread)


def test_a_folder_of_which_too_few_decode_says_so(tmp_path):
    def read(path):
        raise ValueError("cut short")

    with pytest.raises(ValueError, match="0 images are too few .* 9 more did not decode, first 0"):
        reading.of_pictures([tmp_path / f"{n}.png" for n in range(9)], read, "pictures")


def test_an_archive_is_read_by_the_name_of_the_input(tmp_path):
    np.savez(tmp_path / "given.npz", other=np.zeros(3), image=images(10))
    found = reading.of_file(tmp_path / "given.npz")
    np.testing.assert_array_equal(found.images[0], images(10)[0])


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_refused_in_a_line(tmp_path, content):
    (tmp_path / "given.npz").write_bytes(content)
    with pytest.raises(ValueError, match="holds no arrays to calibrate with") as caught:
        reading.of_file(tmp_path / "given.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{}", "[]", '{"calibration": {"ranges": {"a": [0]}}}'])
def test_a_report_without_ranges_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ValueError, match="tells no ranges"):
        reading.of_file(tmp_path / "report.json")
