"""Signatures and operations are read without TensorFlow, past weights of any size."""

import time

import pytest
from toy_artifact import make_tftrt

from export.errors import ArtifactError
from export.serving.savedmodel import read_ops, read_signatures


def test_signatures_and_ops_are_read_past_large_constants(tmp_path):
    path = make_tftrt(tmp_path, padding=64 << 20) / "1" / "saved_model.pb"
    begin = time.perf_counter()
    (signature,) = read_signatures(path).values()
    ops = read_ops(path)
    assert time.perf_counter() - begin < 1
    assert signature.inputs["image"].shape == (-1, 8, 8, 3)
    assert ops == {"Placeholder", "Const", "TRTEngineOp", "CreateTRTResourceHandle"}


@pytest.mark.parametrize("content", [b"", b"\x12", b"\x12\x03abc", b"\x12\x05\x2a\x03\x12\x01\xff"])
def test_a_file_that_is_no_savedmodel_is_an_error_of_one_line(tmp_path, content):
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        read_signatures(tmp_path / "saved_model.pb")
    assert "\n" not in str(caught.value)
