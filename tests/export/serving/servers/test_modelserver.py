"""Which image of TF Serving can load which graph."""

import pytest

from export.serving.servers import modelserver


@pytest.mark.parametrize(
    ("image", "ops", "reason"),
    [
        ("tensorflow/serving:2.17.0-gpu", {"TRTEngineOp"}, None),
        ("tensorflow/serving:2.14.1-gpu", {"TRTEngineOp"}, None),
        ("registry/tensorflow/serving:2.17.1-devel-gpu", {"TRTEngineOp"}, None),
        ("registry:5000/tensorflow/serving:2.17.0-gpu@sha256:00", {"TRTEngineOp"}, None),
        ("registry:5000/tensorflow/serving", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:2.18.0-gpu", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:nightly@sha256:00", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:2.17.0", {"TRTEngineOp"}, "without TensorRT"),
        ("tensorflow/serving:2.17.0", {"DecodeWebP"}, "older than DecodeWebP"),
        ("tensorflow/serving:2.21.0", {"DecodeWebP", "Conv2D"}, None),
    ],
)
def test_an_image_that_lacks_an_op_is_named_with_the_reason(image, ops, reason):
    reasons = modelserver.explain_ops(image, frozenset(ops))
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]
