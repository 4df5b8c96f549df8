"""The warm-up file is read back with TensorFlow's own reader, and every record replayed."""

import numpy as np
import pytest
import tensorflow as tf
from toy_artifact import BATCH_SIZES, make_toy

from export.contract import Contract
from export.contract import Tensor as Declared
from export.errors import ExportError
from export.serving.bundle import add
from export.serving.protos import messages
from export.serving.savedmodel import Signature, Tensor, read_signatures
from export.serving.warmup import FILE, read_warmup, sample_png, write_warmup

FLOAT = Tensor("DT_FLOAT", (-1, 8, 8, 3))
CONTRACT = Contract.of_classifier((8, 8, 3), 6)


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    out = tmp_path_factory.mktemp("warm")
    return add(make_toy(out / "exports"), out / "deploy").folder


def test_every_record_replays_against_the_savedmodel(version):
    loaded = tf.saved_model.load(str(version))
    replayed = set()
    for record in tf.data.TFRecordDataset(str(version / FILE)):
        log = messages().PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        function = loaded.signatures[request.model_spec.signature_name]
        inputs = {name: tf.constant(tf.make_ndarray(p)) for name, p in request.inputs.items()}
        outputs = function(**inputs)
        (batch,) = {len(values) for values in [*inputs.values(), *outputs.values()]}
        for values in outputs.values():
            assert values.dtype == tf.string or np.isfinite(values).all()
        replayed.add((request.model_spec.signature_name, batch))
    assert replayed == {(s, n) for s in ("serving_default", "classify") for n in BATCH_SIZES}


@pytest.mark.parametrize("largest_first", [None, False, True])
def test_batch_sizes_ascend_as_was_measured_or_descend_when_asked(tmp_path, largest_first):
    asked = {} if largest_first is None else {"largest_first": largest_first}
    signatures = {"serving_default": Signature({"image": FLOAT}, {})}
    write_warmup(tmp_path, "toy", signatures, BATCH_SIZES, CONTRACT, **asked)
    shapes = [
        log.predict_log.request.inputs["image"].tensor_shape.dim[0].size
        for log in read_warmup(tmp_path / FILE)
    ]
    assert shapes == sorted(BATCH_SIZES, reverse=bool(largest_first))


def test_the_file_is_the_same_each_time(version, tmp_path):
    signatures = read_signatures(version / "saved_model.pb")
    write_warmup(tmp_path, "toy", signatures, BATCH_SIZES, CONTRACT)
    assert (tmp_path / FILE).read_bytes() == (version / FILE).read_bytes()
    assert len(list(read_warmup(tmp_path / FILE))) == 6


@pytest.mark.parametrize(
    ("tensor", "shape", "least", "most"),
    [
        (Tensor("DT_INT32", (-1,)), (3,), 0, 0),
        (Tensor("DT_INT64", (-1, -1)), (3, 64), 0, 0),
        (Tensor("DT_FLOAT", (-1, 5)), (3, 5), -5, 5),
        (Tensor("DT_HALF", (-1, -1, 2)), (3, 64, 2), -5, 5),
        (Tensor("DT_UINT8", (-1, 4, 4, 3)), (3, 4, 4, 3), 0, 255),
        (Tensor("DT_BOOL", (-1, 7)), (3, 7), True, True),
    ],
)
def test_any_input_is_warmed_with_values_that_no_network_refuses(
    tmp_path, tensor, shape, least, most
):
    write_warmup(tmp_path, "toy", {"s": Signature({"x": tensor}, {})}, (3,), CONTRACT)
    (log,) = read_warmup(tmp_path / FILE)
    values = tf.make_ndarray(log.predict_log.request.inputs["x"])
    assert values.shape == shape
    assert least <= values.min() and values.max() <= most


def test_several_inputs_and_texts_share_a_record(tmp_path):
    inputs = {"ids": Tensor("DT_INT32", (-1, -1)), "text": Tensor("DT_STRING", (-1, 1))}
    contract = Contract((Declared("ids", "int32", ("batch", "time")),), ())
    write_warmup(tmp_path, "toy", {"serving_default": Signature(inputs, {})}, (1, 2), contract)
    logs = list(read_warmup(tmp_path / FILE))
    for batch, log in zip((1, 2), logs, strict=True):
        found = log.predict_log.request.inputs
        assert tf.make_ndarray(found["ids"]).shape == (batch, 64)
        assert tf.make_ndarray(found["text"]).shape == (batch, 1)


@pytest.mark.parametrize("tensor", [Tensor("DT_COMPLEX64", (-1,)), Tensor("DT_INT32", ())])
def test_an_input_that_no_request_holds_is_refused(tmp_path, tensor):
    signatures = {"odd": Signature({"x": tensor}, {})}
    with pytest.raises(ExportError, match="odd.x, which takes"):
        write_warmup(tmp_path, "toy", signatures, (1,), CONTRACT)


@pytest.mark.parametrize("sizes", [(), tuple(range(1, 1002))])
def test_no_record_and_too_many_records_are_refused(tmp_path, sizes):
    with pytest.raises(ExportError, match="1 to 1000"):
        write_warmup(tmp_path, "toy", {"s": Signature({"image": FLOAT}, {})}, sizes, CONTRACT)


def test_the_sample_decodes_to_the_gradient_it_says(version):
    pixels = tf.io.decode_png(sample_png(5, 7), channels=3).numpy()
    assert pixels.shape == (5, 7, 3)
    assert pixels[4, 6].tolist() == [4, 6, 10]
