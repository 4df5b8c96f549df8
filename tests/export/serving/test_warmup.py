"""The warm-up file is read back with TensorFlow's own reader, and every record replayed."""

import numpy as np
import pytest
import tensorflow as tf
from toy_artifact import BATCH_SIZES, make_toy

from export.errors import ExportError
from export.serving.bundle import add
from export.serving.protos import messages
from export.serving.savedmodel import Signature, Tensor, read_signatures
from export.serving.warmup import FILE, read_warmup, sample_png, write_warmup

FLOAT = Tensor("DT_FLOAT", (-1, 8, 8, 3))


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
    write_warmup(tmp_path, "toy", signatures, BATCH_SIZES, (8, 8, 3), **asked)
    shapes = [
        log.predict_log.request.inputs["image"].tensor_shape.dim[0].size
        for log in read_warmup(tmp_path / FILE)
    ]
    assert shapes == sorted(BATCH_SIZES, reverse=bool(largest_first))


def test_the_file_is_the_same_each_time(version, tmp_path):
    signatures = read_signatures(version / "saved_model.pb")
    write_warmup(tmp_path, "toy", signatures, BATCH_SIZES, (8, 8, 3))
    assert (tmp_path / FILE).read_bytes() == (version / FILE).read_bytes()
    assert len(list(read_warmup(tmp_path / FILE))) == 6


@pytest.mark.parametrize(
    "tensor", [Tensor("DT_INT32", (-1,)), Tensor("DT_FLOAT", (-1, 5)), Tensor("DT_STRING", ())]
)
def test_an_input_that_is_no_picture_is_refused(tmp_path, tensor):
    signatures = {"odd": Signature({"x": tensor}, {})}
    with pytest.raises(ExportError, match="odd.x takes"):
        write_warmup(tmp_path, "toy", signatures, (1,), (8, 8, 3))


@pytest.mark.parametrize("sizes", [(), tuple(range(1, 1002))])
def test_no_record_and_too_many_records_are_refused(tmp_path, sizes):
    with pytest.raises(ExportError, match="1 to 1000"):
        write_warmup(tmp_path, "toy", {"s": Signature({"image": FLOAT}, {})}, sizes, (8, 8, 3))


def test_the_sample_decodes_to_the_gradient_it_says(version):
    pixels = tf.io.decode_png(sample_png(5, 7), channels=3).numpy()
    assert pixels.shape == (5, 7, 3)
    assert pixels[4, 6].tolist() == [4, 6, 10]
