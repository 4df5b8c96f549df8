"""Architectures of every kind, each verified or refused as the zoo's listing says.

`pytest -m zoo` exports all of them to all formats, as tools/zoo.py does; that takes an hour. What
runs by default are small ones, of kinds that no other test has, in this process.
"""

import pytest

from export import ExportError, export_model
from export.process import in_this_process
from export.results import Status
from keras_nets import sources
from keras_nets.zoo.listing import ARCHITECTURES, ONNX, SAVEDMODEL, find
from tools import zoo

QUICK = (
    "vit", "resnext", "channels_first", "uneven_strides", "dilated_transpose", "activations",
    "gated", "twins", "transformer_text", "audio", "siamese", "nested", "text_vectorization",
    "integer_lookup", "subclassed", "subclassed_fresh", "quantized_int4", "quantized_float8",
    "lora", "spectral",
)  # fmt: skip


@pytest.mark.parametrize("format", [SAVEDMODEL, ONNX])
@pytest.mark.parametrize("name", QUICK)
def test_an_architecture_is_right_or_refused_in_one_line(name, format, tmp_path):
    (architecture,) = find([name])
    model = sources.load(architecture.words, architecture.built_with()).model
    refusal = architecture.refused.get(format)
    with in_this_process():
        if refusal:
            with pytest.raises((ValueError, ExportError)) as raised:
                export_model(model, [format], tmp_path)
            assert refusal in str(raised.value) and "\n" not in str(raised.value)
            assert list(tmp_path.rglob("*.json")) == []
            return
        (report,) = export_model(model, [format], tmp_path)
    assert [check for check in report.checks if check.status is Status.FAILED] == []


@pytest.mark.zoo
@pytest.mark.parametrize("name", [one.name for one in ARCHITECTURES])
def test_every_architecture_is_as_the_listing_says_in_every_format(name, tmp_path):
    places = ["--record", str(tmp_path / "zoo.jsonl"), "--doc", str(tmp_path / "zoo.md")]
    assert zoo.main(["--only", name, *places]) == 0
