"""Warm-up files that the server would not read, or not load, are found."""

import pytest
from damage import move, remove, write

from export.serving.lint import lint
from export.serving.protos import messages
from export.serving.tfrecord import read_records, write_records

VERSION = "models/toy/1"
WARMUP = f"{VERSION}/assets.extra/tf_serving_warmup_requests"


def rewrite_warmup(change):
    """Return what runs `change` over the list of PredictionLogs of the toy."""

    def spoil(folder):
        logs = [messages().PredictionLog.FromString(r) for r in read_records(folder / WARMUP)]
        logs = change(logs) or logs
        write_records(folder / WARMUP, [log.SerializeToString() for log in logs])

    return spoil


def first_request(change):
    return rewrite_warmup(lambda logs: change(logs[0].predict_log.request))


def rename_input(request):
    request.inputs["picture"].CopyFrom(request.inputs["encoded"])
    del request.inputs["encoded"]


def set_signature(request):
    request.model_spec.signature_name = "predict"


def set_dtype(request):
    request.inputs["encoded"].dtype = 1


def set_rank(request):
    request.inputs["encoded"].tensor_shape.dim.add(size=3)


def set_filter(request):
    request.output_filter.append("logits")


def set_batch(request):
    request.inputs["encoded"].tensor_shape.dim[0].size = 9


def drop_field(folder):
    (folder / WARMUP).write_bytes((folder / WARMUP).read_bytes()[:-10])


def flip_byte(folder):
    data = bytearray((folder / WARMUP).read_bytes())
    data[40] ^= 1
    (folder / WARMUP).write_bytes(data)


DAMAGE = {
    "no warm-up": (remove(WARMUP), "the first request of every batch size"),
    "warm-up in assets": (
        move(WARMUP, f"{VERSION}/assets/tf_serving_warmup_requests"),
        "is never read",
    ),
    "warm-up beside models": (write("assets.extra/tf_serving_warmup_requests"), "is never read"),
    "warm-up with an ending": (write(f"{WARMUP}.tfrecord"), "is never read"),
    "warm-up cut short": (drop_field, "ends in the middle of a record"),
    "warm-up corrupt": (flip_byte, "checksum is wrong"),
    "warm-up is text": (write(WARMUP, b"warm-up requests go here"), "no TFRecord file"),
    "too many records": (rewrite_warmup(lambda logs: logs[:1] * 1001), "more than 1000 records"),
    "blank record": (
        rewrite_warmup(lambda logs: [*logs, messages().PredictionLog()]),
        "record 7 is a blank, which warms nothing",
    ),
    "no log": (
        lambda f: write_records(f / WARMUP, [b"\xff\xff\xff"]),
        "no PredictionLog",
    ),
    "wrong signature": (first_request(set_signature), "names the signature 'predict'"),
    "wrong input": (first_request(rename_input), "feeds ['picture'], not ['encoded']"),
    "wrong dtype": (first_request(set_dtype), "DT_FLOAT, not DT_STRING"),
    "wrong output": (first_request(set_filter), "asks for ['logits'], not of ['labels'"),
    "wrong rank": (first_request(set_rank), "of shape (1, 3), not (-1,)"),
    "batch too large": (first_request(set_batch), "a batch of 9"),
    "cold batch": (rewrite_warmup(lambda logs: logs[1:]), "leaves classify cold at batches of [1]"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts


def test_a_request_without_a_signature_warms_the_default_one(folder):
    def drop_default(logs):
        for log in logs:
            spec = log.predict_log.request.model_spec
            if spec.signature_name == "serving_default":
                spec.ClearField("signature_name")

    rewrite_warmup(drop_default)(folder)
    assert [f.text for f in lint(folder)] == ["has changed since it was published"]
