"""Run the LiteRT converter in a process of its own, and return its flatbuffer without weights."""

import numpy as np

from export.formats.litert.flatbuffer import OUTSIDE, packed, unpacked

NORMAL = 0x3C01  # float16's bits of the smallest stand-in, above 1


def stand_in_value(index: int) -> float:
    """The value that stands for weight number `index`: unique, and exact in float16 too."""
    return float(np.uint16(NORMAL + index).view(np.float16))


def work(job: dict, arrays: dict) -> tuple[dict, dict]:
    """Convert a graph whose weights are constants of the value that stands for each.

    The job has the names, types and shapes of `inputs`, the names of `outputs` and how many
    `weights` there are; `arrays` has the `graph`, a GraphDef. The answer has in `weights` the
    number of each weight by the number of the buffer that it is, and its array is the `model`, a
    flatbuffer in which those buffers are empty.
    """
    content = _converted(job, arrays["graph"].tobytes())
    model = unpacked(content)
    found = {}
    numbers = {stand_in_value(index): index for index in range(job["weights"])}
    floats = {t.buffer for graph in model.subgraphs for t in graph.tensors if t.type == 0}
    for at, buffer in enumerate(model.buffers):
        if buffer.offset < OUTSIDE:
            continue
        held = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        index = _stands_for(held, numbers) if at in floats else None
        if index is None:
            buffer.data = held.copy()
        else:
            found[at] = index
        buffer.offset = buffer.size = 0
    flat = np.frombuffer(packed(model), np.uint8)
    return {"weights": {str(at): index for at, index in found.items()}}, {"model": flat}


def _stands_for(held: np.ndarray, numbers: dict[float, int]) -> int | None:
    """The weight that a constant stands for, or None."""
    values = held.view("<f4")
    index = numbers.get(float(values[0])) if values.size else None
    return index if index is not None and values.min() == values.max() else None


def _converted(job: dict, graph: bytes) -> bytes:
    import tensorflow as tf

    own = tf.compat.v1.GraphDef.FromString(graph)
    ends = [f"{name}:0" for name in job["outputs"]]

    def network(**given):
        fed = {f"{name}:0": tensor for name, tensor in given.items()}
        made = tf.graph_util.import_graph_def(own, input_map=fed, return_elements=ends, name="")
        return dict(zip(job["outputs"], made, strict=True))

    inputs = {name: tf.TensorSpec(shape, dtype, name) for name, dtype, shape in job["inputs"]}
    traced = tf.function(network, autograph=False).get_concrete_function(**inputs)
    holder = tf.Module()  # without one the model has no signature
    holder.network = traced
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], holder)
    # Else constants lie within the flatbuffer, and the converter holds each five times.
    converter._experimental_use_buffer_offset = True
    return converter.convert()
