"""Record files are TensorFlow's own, and damage to one is found."""

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from export.serving.tfrecord import RecordError, read_records, write_records


def test_our_reader_reads_what_tensorflow_writes(tmp_path):
    records = [b"", b"one", b"two" * 5000]
    with tf.io.TFRecordWriter(str(tmp_path / "records")) as writer:
        for record in records:
            writer.write(record)
    assert list(read_records(tmp_path / "records")) == records


@given(st.lists(st.binary(max_size=50), max_size=4), st.data())
def test_a_damaged_file_never_yields_a_wrong_record(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("records") / "file"
    write_records(path, records)
    assert list(read_records(path)) == records
    whole = bytearray(path.read_bytes())
    if not whole:
        return
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    got = []
    with pytest.raises(RecordError):
        got.extend(read_records(path))
    assert got == records[: len(got)]
