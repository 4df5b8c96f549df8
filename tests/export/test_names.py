"""What a person means by a name."""

import pytest

from export.formats import find_format
from export.names import choose

KNOWN = ("savedmodel", "onnx", "tftrt-fp16")


@pytest.mark.parametrize("spelling", ["onnx", "ONNX", "Onnx"])
def test_case_does_not_matter(spelling):
    assert choose(spelling, KNOWN, "format") == "onnx"
    assert find_format(spelling).name == "onnx"


def test_a_near_miss_is_told_what_was_meant_and_what_there_is():
    with pytest.raises(ValueError) as caught:
        choose("TFTRT-FP6", KNOWN, "format")
    assert str(caught.value) == (
        "no format is called 'TFTRT-FP6'; did you mean tftrt-fp16? "
        "known are savedmodel, onnx, tftrt-fp16"
    )


def test_a_name_far_from_all_is_told_only_what_there_is():
    with pytest.raises(ValueError) as caught:
        choose("coreml", KNOWN, "format")
    assert str(caught.value) == (
        "no format is called 'coreml'; known are savedmodel, onnx, tftrt-fp16"
    )
