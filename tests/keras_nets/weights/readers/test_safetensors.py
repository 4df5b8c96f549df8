"""Safetensors files are read; ones whose headers lie are refused."""

import json
import struct

import pytest
from reading import ARRAYS, refused, same, values

from keras_nets import WeightsError, identify_weights
from keras_nets.weights.readers import open_weights


def safetensors_file(path, header: dict, data: bytes, length: int | None = None):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def test_the_reference_writer_of_safetensors_is_read(tmp_path):
    from safetensors import numpy as reference

    reference.save_file(ARRAYS, tmp_path / "w", metadata={"flavour": "paddle"})
    with open_weights(tmp_path / "w") as file:
        assert (file.kind, file.metadata) == ("safetensors", {"flavour": "paddle"})
    got = values(tmp_path / "w")
    same({name: got[name] for name in ARRAYS}, ARRAYS)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"dtype": "F32", "shape": [1 << 39], "data_offsets": [0, 8]}, "its shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 60]}, "outside the file"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}, "outside the file"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "F32", "shape": [1] * 99 + [2], "data_offsets": [0, 8]}, "an impossible shape"),
        ({"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}, "is I64; weights are floats"),
        ({"dtype": "F32", "shape": [2]}, "damaged"),
        (7, "damaged"),
    ],
)
def test_safetensors_headers_that_lie_are_refused(tmp_path, entry, told):
    assert told in refused(safetensors_file(tmp_path / "w", {"a": entry}, bytes(8)))


def test_a_safetensors_header_that_is_huge_or_deep_is_refused(tmp_path):
    path = safetensors_file(tmp_path / "w", {}, bytes(5 << 20), length=5 << 20)
    assert "header claims 5_242_882 bytes" in refused(path) or "5_242_880" in refused(path)
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("told", [5, "ab", [["a", 5], [3, 4]]])
def test_a_file_tells_its_network_in_text_and_nothing_of_its_layers(tmp_path, told):
    metadata = {"layers": told, "net": told if told != "ab" else "squeezenet1_0"}
    path = safetensors_file(tmp_path / "w", {"__metadata__": metadata}, b"")
    with pytest.raises(WeightsError, match="is no file of squeezenet1_0: it lacks"):
        identify_weights("squeezenet1_0", path)
