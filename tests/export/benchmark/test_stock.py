"""What other converters make of a model, measured beside ours."""

from pathlib import Path

import pytest

from export.benchmark import stock
from export.benchmark.run import Method, benchmark
from export.benchmark.stock import check_memory, converter
from export.benchmark.subjects import stock_subject
from export.benchmark.worker import make_batch
from export.errors import ExportError
from export.formats import find_format
from export.formats.names import ONNX
from export.progress import silent
from export.report.artifact import read_artifact

pytest.importorskip("mlperf_loadgen", reason="comes with pip install '.[benchmark]'")
METHOD = Method(batches=(2,), rounds=2, seconds=0.1, threads=1, loop=True)


def small(**shape):
    """A network that any process builds again."""
    import keras

    image = keras.Input(shape["shape"], name="image")
    kernels = keras.layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(kernels)))


@pytest.mark.parametrize("format", ["onnx", "savedmodel"])
def test_what_another_converter_makes_runs_as_ours_does(export_toy, format, tmp_path, monkeypatch):
    artifact = read_artifact(Path(export_toy("plain", format).folder))
    shape = artifact.contract.inputs[0].sizes
    subject = stock_subject(artifact, "", {}, tmp_path / "stock")
    assert subject.format in ("onnx by tf2onnx", "savedmodel by Model.export")
    opening = subject.opening
    monkeypatch.setattr(stock, "build_keras", lambda builder, arguments: small(**arguments))
    job = {"kind": opening["stock"], "to": opening["folder"], "builder": "", "arguments": {}}
    assert stock.work(job | {"arguments": {"shape": shape}}, {}) == ({}, {})
    with stock.open_stock(opening["stock"], Path(opening["folder"]), None) as session:
        (made,) = session.predict(make_batch(opening["inputs"], 2, 0)).values()
    assert made.shape == (2, 3)


def test_a_conversion_that_memory_would_not_hold_is_said_and_not_tried(export_toy, tmp_path):
    artifact = read_artifact(Path(export_toy("plain", "onnx").folder))
    subject = stock_subject(artifact, "nowhere:none", {}, tmp_path)
    huge = subject.opening | {"weight_bytes": 10**15}
    (record,) = benchmark([type(subject)(**vars(subject) | {"opening": huge})], METHOD, tmp_path,
                          silent)  # fmt: skip
    assert "tf2onnx takes about 90000001 GB" in record["why"] and record["median_ms"] is None


def test_formats_that_others_do_not_write_are_not_compared():
    assert converter(find_format("onnx")) == "tf2onnx"
    assert converter(find_format("onnx-int8")) == converter(find_format("tftrt-fp16")) == ""
    with pytest.raises(ExportError, match="compare on a larger machine"):
        check_memory(ONNX, 10**15)
