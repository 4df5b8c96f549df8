"""Labels mean the same whatever program saved them, and what is no list of them is refused."""

import os

import pytest

from export.evaluation.examples import read_truth
from export.signatures.labels import read_labels

NAMES = ("tench", "crane", "great white shark", "crane", "Löwe")


@pytest.fixture
def saved(tmp_path):
    def save(data: bytes):
        path = tmp_path / "labels.txt"
        path.write_bytes(data)
        return path

    return save


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_labels_are_the_same_in_every_encoding_that_says_what_it_is(saved, encoding, end):
    assert read_labels(saved(end.join(NAMES).encode(encoding)), 5) == NAMES
    assert read_labels(saved((end.join(NAMES) + end).encode(encoding)), 5) == NAMES


def test_blank_lines_and_spaces_around_a_name_count_for_nothing(saved):
    assert read_labels(saved(b"\n tench \n\n \t\nred fox\t\n\n"), 2) == ("tench", "red fox")


def test_a_name_may_hold_what_python_takes_for_the_end_of_a_line(saved):
    assert read_labels(saved("a\u2028b\nc\n".encode()), 2) == ("a\u2028b", "c")


def test_without_a_number_of_classes_there_may_be_any(saved):
    assert read_labels(saved(b"a\nb\nc")) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\n", "one line for each of 3 classes. Received: 2$"),
        (b"a\nb\nc\nd\n", "one line for each of 3 classes. Received: 4$"),
        (b"background\na\nb\nc\n", "Received: 4; delete its first, 'background'$"),
        (b"", "holds no label; it should have one line for each class"),
        (b"\xef\xbb\xbf\r\n", "holds no label"),
        (b"L\xf6we\n", "byte 1 is not UTF-8; save it as UTF-8"),
        (b"\xff\xfea", "byte 2 is not UTF-16; save it as UTF-8"),
        ("a\nb".encode("utf-16-le"), "label 1 .* has control characters: 'a.x00'"),
        (b"a\n\x1b[31mb\nc\n", "label 2 .* has control characters: '.x1b"),
    ],
)
def test_what_is_no_list_of_the_classes_is_refused_in_one_line(saved, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_labels(saved(data), 3)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_file_of_bounded_size_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="cannot read labels from .*: No such file"):
        read_labels(tmp_path / "nowhere.txt", 2)
    with pytest.raises(ValueError, match="cannot read labels"):
        read_labels(tmp_path, 2)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="is no regular file"):
        read_labels(tmp_path / "fifo", 2)
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="is larger than"):
        read_labels(tmp_path / "endless", 2)


def test_a_list_of_pictures_may_begin_with_a_byte_order_mark_too(saved):
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_truth(saved("a b.jpg 1\r\n".encode(encoding)), 2) == {"a b.jpg": 1}
