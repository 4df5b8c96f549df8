"""TensorProtos are those of TensorFlow, both ways."""

import numpy as np
import pytest
import tensorflow as tf

from export.serving.tensors import from_proto, to_proto


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.arange(6, dtype=np.float32).reshape(2, 3), "DT_FLOAT"),
        (np.arange(4, dtype=np.int64), "DT_INT64"),
        (np.array([[b"a", b"\xff\0"]], dtype=object), "DT_STRING"),
        (np.zeros((0, 3), np.float32), "DT_FLOAT"),
        (np.array([[0.5, -2.0]], np.float16), "DT_HALF"),
        (np.array([[0, 255]], np.uint8), "DT_UINT8"),
        (np.array([-3, 3], np.int32), "DT_INT32"),
        (np.array([[True], [False]]), "DT_BOOL"),
    ],
)
def test_tensors_are_those_of_tensorflow(values, dtype):
    ours = to_proto(values, dtype)
    np.testing.assert_array_equal(tf.make_ndarray(ours), values)
    np.testing.assert_array_equal(from_proto(tf.make_tensor_proto(values)), values)


def test_a_tensor_of_one_value_stands_for_all():
    proto = tf.make_tensor_proto(2.5, shape=(2, 2), dtype=tf.float32)
    np.testing.assert_array_equal(from_proto(proto), np.full((2, 2), 2.5, np.float32))


def test_a_dtype_that_no_signature_has_is_refused():
    with pytest.raises(ValueError, match="DT_COMPLEX64"):
        from_proto(tf.make_tensor_proto(1j, dtype=tf.complex64))
    with pytest.raises(ValueError, match="DT_COMPLEX64"):
        to_proto([1j], "DT_COMPLEX64")
