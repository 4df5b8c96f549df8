"""Rewriting byte fields inside serialized protobufs, against protobuf itself."""

import io
import time
from contextlib import suppress

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.skeleton.wire import CONTENT, Stream, WireError, rewrite, schema, total, write

RAW_DATA = {9: CONTENT}  # TensorProto.raw_data
MODEL = {7: {5: RAW_DATA}}  # ModelProto.graph, GraphProto.initializer

contents = st.lists(st.binary(max_size=300), max_size=5)


def written(pieces) -> bytes:
    file = io.BytesIO()
    write(pieces, file)
    assert len(file.getvalue()) == total(pieces)
    return file.getvalue()


def model_of(contents, name="toy") -> onnx.ModelProto:
    """A model with every wire type: numbers, floats, doubles, strings, packed and nested."""
    model = onnx.ModelProto(ir_version=8, producer_name=name, model_version=-1)
    for index, content in enumerate(contents):
        tensor = model.graph.initializer.add(name=f"weight_{index}", data_type=1)
        tensor.raw_data = content  # assigned, so that an empty one is written too
        tensor.dims.extend([3, 1 << 40])
    node = model.graph.node.add(op_type="LeakyRelu", name=name)
    node.attribute.add(name="alpha", f=0.1, type=1, ints=[1, -1, 300])
    node.attribute.add(name="t").t.double_data.extend([0.5, -2.0])
    return model


def test_a_schema_is_spelled_by_the_names_of_fields():
    paths = ("graph.initializer.raw_data", "graph.node.name", "graph.node.attribute.t.raw_data")
    assert schema(onnx.ModelProto, *paths) == {
        7: {5: {9: CONTENT}, 1: {3: CONTENT, 5: {5: {9: CONTENT}}}}
    }


def test_a_schema_refuses_a_name_that_is_no_field():
    with pytest.raises(KeyError, match="weights"):
        schema(onnx.ModelProto, "graph.weights.raw_data")


@given(contents, st.text(max_size=200))
def test_a_message_in_which_nothing_is_replaced_stays_byte_for_byte(contents, name):
    data = model_of(contents, name).SerializeToString()
    assert written(rewrite(memoryview(data), MODEL, lambda *_: None)) == data


@given(contents, st.binary(max_size=300), st.text(max_size=200))
def test_replaced_contents_read_back_through_protobuf(contents, fresh, name):
    data = model_of(contents, name).SerializeToString()
    pieces = rewrite(memoryview(data), MODEL, lambda *_: fresh)
    assert onnx.ModelProto.FromString(written(pieces)) == model_of([fresh] * len(contents), name)


@given(contents)
def test_each_content_is_offered_once_with_its_offset(contents):
    data = model_of(contents).SerializeToString()
    offered = []
    rewrite(memoryview(data), MODEL, lambda at, content: offered.append((at, bytes(content))))
    assert [content for _, content in offered] == contents
    assert all(data[at : at + len(content)] == content for at, content in offered)


@given(contents.filter(bool), st.data())
def test_only_the_chosen_contents_change(contents, data):
    chosen = data.draw(st.integers(0, len(contents) - 1))
    asked = iter(range(len(contents)))
    message = model_of(contents).SerializeToString()
    pieces = rewrite(
        memoryview(message), MODEL, lambda *_: b"chosen" if next(asked) == chosen else None
    )
    contents[chosen] = b"chosen"
    assert onnx.ModelProto.FromString(written(pieces)) == model_of(contents)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_a_stream_is_written_chunk_by_chunk(chunks):
    size = sum(map(len, chunks))
    data = model_of([b"stand-in"]).SerializeToString()
    pieces = rewrite(memoryview(data), MODEL, lambda *_: Stream(size, lambda: iter(chunks)))
    assert onnx.ModelProto.FromString(written(pieces)) == model_of([b"".join(chunks)])


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 16_383, 16_384, (1 << 21) - 1, 1 << 21])
def test_lengths_around_each_varint_boundary_nest(size):
    inner = model_of([b"x" * size]).SerializeToString()
    pieces = rewrite(memoryview(inner), MODEL, lambda *_: b"y" * size)
    assert written(pieces) == model_of([b"y" * size]).SerializeToString()


def test_a_message_nested_in_itself_is_rewritten_at_every_depth():
    """A hand-made message: field 1 is the same message again, field 2 the content."""

    def message(contents):
        head, *rest = contents
        body = b"\x12" + bytes([len(head)]) + head
        if rest:
            below = message(rest)
            body += b"\x0a" + bytes([len(below)]) + below
        return body

    schema = {2: CONTENT}
    schema[1] = schema
    pieces = rewrite(memoryview(message([b"a", b"bb", b"ccc"])), schema, lambda _, c: bytes(c) * 3)
    assert written(pieces) == message([b"aaa", b"bbbbbb", b"ccccccccc"])


def test_a_field_of_another_type_than_the_schema_expects_is_passed_through():
    data = b"\x48\x05" + b"\x4d\0\0\0\0" + b"\x49" + b"\0" * 8  # field 9 as number, float, double
    assert written(rewrite(memoryview(data), RAW_DATA, lambda *_: b"never")) == data


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_garbage_is_passed_through_or_refused(garbage):
    with suppress(WireError):
        assert written(rewrite(memoryview(garbage), MODEL, lambda *_: None)) == garbage


@given(contents.filter(bool), st.data())
@settings(max_examples=300)
def test_a_bit_flip_is_survived_or_refused(contents, data):
    message = bytearray(model_of(contents).SerializeToString())
    at = data.draw(st.integers(0, 8 * len(message) - 1))
    message[at // 8] ^= 1 << at % 8
    with suppress(WireError):
        assert written(rewrite(memoryview(message), MODEL, lambda *_: None)) == message


def test_a_truncated_message_is_refused_wherever_it_ends_within_a_field():
    data = model_of([b"first content", b"second content"]).SerializeToString()
    whole = {0, len(data)}  # cuts between top-level fields leave a message
    for cut in range(len(data)):
        try:
            rewrite(memoryview(data[:cut]), MODEL, lambda *_: None)
            whole.add(cut)
        except WireError:
            continue
    assert len(whole) <= 6, "ir_version, producer_name, model_version and graph end at four cuts"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 20,  # a key that never ends
        b"\x0a" + b"\xff" * 9 + b"\x01",  # a length of 2 ** 64 - 1
        b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 10,  # a length past the end
        b"\x0b",  # a group
        b"\x0f",  # a wire type that does not exist
        b"\x09\0\0",  # half a double
        b"\x0d\0",  # half a float
        b"\x08",  # a number that is missing
        b"\x08\x80",  # a number that does not end
    ],
)
def test_what_is_no_protobuf_is_a_wire_error(data):
    with pytest.raises(WireError):
        rewrite(memoryview(data), MODEL, lambda *_: None)


def test_a_large_damaged_message_is_refused_at_once():
    started = time.monotonic()
    with pytest.raises(WireError):
        rewrite(memoryview(b"\x3a\xff\xff\xff\x7f" + b"\0" * (1 << 22)), MODEL, lambda *_: None)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("given", [b"abc", b"abcdef"])
def test_a_stream_of_another_size_than_it_said_is_an_error(given):
    with pytest.raises(WireError, match=f"gave {len(given)} bytes instead of 4"):
        write([Stream(4, lambda: iter([given]))], io.BytesIO())
