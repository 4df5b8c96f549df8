"""Labels from folders and from lists, and what is said where they do not fit."""

from pathlib import Path

import pytest

from export.evaluation.examples import find_examples, read_truth

FOLDER = Path("pictures")


def find(*names, classes=2, labels=None):
    return find_examples(FOLDER, [FOLDER / name for name in names], classes, labels)


def labelled(examples):
    return {item.name: item.label for item in examples.items}


@pytest.fixture
def listed(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "labels.txt"
        path.write_bytes(text.encode("utf-8"))
        return path

    return write


def test_sorted_folder_names_are_the_classes():
    found = labelled(find("n02/b.jpg", "n01/z.jpg", "n02/deeper/a.jpg"))
    assert found == {"n01/z.jpg": 0, "n02/b.jpg": 1, "n02/deeper/a.jpg": 1}


def test_numbered_folders_are_their_own_index_even_where_sorting_would_swap_them():
    names = [f"{index}/a.png" for index in range(12)]
    found = labelled(find(*names, classes=12))
    assert found["2/a.png"] == 2 and found["10/a.png"] == 10
    assert labelled(find("7/a.png", "3/a.png", classes=10)) == {"7/a.png": 7, "3/a.png": 3}


def test_numbered_folders_that_are_no_indexes_are_refused():
    with pytest.raises(ValueError, match="up to 2, some twice or past the last of 2 classes, 1"):
        find("1/a.png", "2/a.png")
    with pytest.raises(ValueError, match="some twice"):
        find("1/a.png", "01/a.png")


def test_a_subset_of_the_classes_needs_a_list(listed):
    with pytest.raises(ValueError, match="has 2 folders with pictures and the network 1000"):
        find("n01/a.jpg", "n02/a.jpg", classes=1000)
    labels = listed("n01 217\nn02 999\n")
    found = labelled(find("n01/a.jpg", "n02/a.jpg", classes=1000, labels=labels))
    assert found == {"n01/a.jpg": 217, "n02/a.jpg": 999}


def test_a_picture_outside_every_folder_is_named():
    with pytest.raises(ValueError, match="'loose.jpg' lies in no class's folder"):
        find("n01/a.jpg", "loose.jpg")


def test_a_list_names_pictures_and_what_is_left_over_is_counted(listed):
    labels = listed("# name index\na b.jpg\t1\n\n./c.jpg 0\r\nval/d.jpg 1\ngone.jpg 1\n")
    found = find("a b.jpg", "c.jpg", "val/d.jpg", "nobody.jpg", labels=labels)
    assert labelled(found) == {"a b.jpg": 1, "c.jpg": 0, "val/d.jpg": 1}
    assert (found.unlabelled, found.absent) == (1, 1)


def test_a_picture_in_the_list_goes_before_its_folder(listed):
    found = find("x/a.jpg", "x/b.jpg", labels=listed("x 0\nx/b.jpg 1\n"))
    assert labelled(found) == {"x/a.jpg": 0, "x/b.jpg": 1}


def test_a_list_of_other_pictures_is_refused_with_a_name_of_each(listed):
    with pytest.raises(ValueError, match=r"is 'a.jpg', the list begins with 'val/a.jpg'"):
        find("a.jpg", labels=listed("val/a.jpg 1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg one\n", "line 1 of .* should be 'name index'"),
        ("a.jpg 0\nb.jpg\n", "line 2 .* Received: 'b.jpg'"),
        ("a.jpg -1\n", "should be 'name index'"),
        ("a.jpg 2\n", "index 2; 2 classes end at 1"),
        ("a.jpg 0\na.jpg 1\n", "gives 'a.jpg' a second index, 1"),
        ("\n# nothing\n", "holds no label"),
    ],
)
def test_a_wrong_line_is_named(listed, text, message):
    with pytest.raises(ValueError, match=message):
        read_truth(listed(text), classes=2)


def test_a_list_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot read labels .*No such file"):
        read_truth(tmp_path / "nowhere.txt", 2)
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="byte 0 is not UTF-8; save it as UTF-8"):
        read_truth(tmp_path / "picture.jpg", 2)


def test_no_pictures_at_all_is_an_error():
    with pytest.raises(ValueError, match="no picture below 'pictures'"):
        find()


def test_a_sample_is_spread_over_the_classes():
    names = [f"{label}/{index}.png" for label in range(4) for index in range(25)]
    found = find(*names, classes=4).sample(8)
    assert [item.label for item in found.items] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(find(*names, classes=4).sample(1000).items) == 100
    with pytest.raises(ValueError, match="at least 1 picture"):
        found.sample(0)
