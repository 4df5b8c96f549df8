"""Run a TF-TRT SavedModel on a GPU, a batch size at a time: a script for a lane.

The job names the `model` (a SavedModel folder), the batch `sizes` in the order in which to run them
and how many `threads` TensorFlow may use, if that is not null; `arrays` has the inputs by name.
Without `sizes` it is one batch as it stands, and the answer is its outputs and no more.

The answer has `missing`: what this machine lacks, and then nothing was run; or `runs`, one for each
size: `size`, `seconds` of its first call, `later` of the fastest after it, and `engines`: of each
TRTEngineOp the batch sizes of the engines that TensorFlow has built and kept, read from its cache.
`error` says why the size `at` did not run, and `uncounted` why the cache could not be read. The
outputs of a size are the arrays `<size>/<name>`. There is an answer before each step, so that it is
known how far a process came that died.

TensorFlow runs the native segment, in FP32, where an engine cannot be built or run. That is made
an error here. Input shapes that do not fit those of the node are a way around that error, so they
are compared beforehand.
"""

import ctypes
import functools
import os
import pathlib
import tempfile
import time

from child import in_a_line

os.environ["TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION"] = "False"

LIBRARIES = ("libnvinfer.so.8.6.1", "libnvinfer_plugin.so.8.6.1")  # as TensorFlow 2.17 opens them

AGAIN = 5  # calls after the first, which are timed


def missing():
    """Say what this machine lacks to run an engine; empty if nothing."""
    for library in LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError as error:
            return (
                f"TensorRT 8.6 is not installed where TensorFlow 2.17 looks for it ({error}); "
                "docs/tftrt.md says what it needs"
            )
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return (
            "TensorFlow 2.17 sees no GPU, perhaps for want of its CUDA 12.3 libraries; "
            "docs/tftrt.md says what it needs"
        )
    return ""


def in_batches(images, size):
    """Return `images` (n, ...) in whole batches (k, size, ...), the last filled from the first."""
    import numpy as np

    rows = -(-len(images) // size) * size
    return images[np.arange(rows) % len(images)].reshape(-1, size, *images.shape[1:])


def misfit(declared, fed):
    """Say why a node with the shapes `declared` runs its native segment in silence; else empty.

    The rule of TRTEngineOp::VerifyInputShapes: as many shapes, of the same ranks and sizes, -1 for
    any size, None for a shape of unknown rank, which fits nothing; and one batch size for all.
    """
    if declared and len(declared) != len(fed):
        return f"it has {len(declared)} input shapes and is fed {len(fed)}"
    for wanted, shape in zip(declared, fed):  # noqa: B905 (none may be declared)
        if not _fits(wanted, shape):
            return f"its input shape is {wanted} and it is fed {shape}"
    if len({tuple(shape[:1]) for shape in fed}) != 1 or not fed[0]:
        return f"it is fed shapes without one batch size: {fed}"
    return ""


def _fits(wanted, shape):
    if wanted is None or len(wanted) != len(shape):
        return False
    return all(size == -1 or size == shape[axis] for axis, size in enumerate(wanted))


class Served:
    """A SavedModel in a session, which is how TensorFlow Serving runs it."""

    def __init__(self, model, threads=None):
        import tensorflow as tf
        from tensorflow.python.compiler.tensorrt import trt_convert  # noqa: F401 (registers the op)

        self.graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads or 0, inter_op_parallelism_threads=threads or 0
        )
        self.session = tf.compat.v1.Session(graph=self.graph, config=config)
        with self.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], model)
        signature = loaded.signature_def["serving_default"]
        self.inputs = {name: info.name for name, info in signature.inputs.items()}
        self.outputs = {name: info.name for name, info in signature.outputs.items()}
        self.fitting = set()  # shapes of batches that were seen to fit
        self.nodes = [op for op in self.graph.get_operations() if op.type == "TRTEngineOp"]

    def run(self, batch):
        """Return the outputs of `batch`, arrays by name as it is."""
        return self.session.run(self.outputs, self._feed(batch))

    def _feed(self, batch):
        return {self.inputs[name]: values for name, values in batch.items()}

    def refuse_misfits(self, batch):
        """Raise ValueError where `batch` would run a native segment in silence."""
        shapes = tuple(sorted((name, values.shape) for name, values in batch.items()))
        if shapes in self.fitting:
            return
        for node in self.nodes:
            fed = self.session.run(list(node.inputs), self._feed(batch))
            why = misfit(_declared(node), [list(array.shape) for array in fed])
            if why:
                raise ValueError(f"{node.name} would run its native segment in FP32: {why}")
        self.fitting.add(shapes)

    def engines(self):
        """Return for each node the batch sizes of the engines in TensorFlow's cache."""
        with tempfile.TemporaryDirectory() as scratch:
            return {node.name: self._cached(node, scratch) for node in self.nodes}

    def _cached(self, node, scratch):
        import tensorflow as tf

        file = str(pathlib.Path(scratch, "engines.tfrecord"))
        with self.graph.as_default():
            names = tf.constant(node.name.split("/")[-1]), tf.constant(file)
            with self.graph.device("/GPU:0"):
                write = tf.raw_ops.SerializeTRTResource(resource_name=names[0], filename=names[1])
        try:
            self.session.run(write)
        except tf.errors.NotFoundError:  # no engine was asked for, so there is no cache
            return []
        return batches_of(file)


def _declared(node):
    shapes = node.node_def.attr["input_shapes"].list.shape
    return [None if s.unknown_rank else [dim.size for dim in s.dim] for s in shapes]


def batches_of(file):
    """Return the batch sizes of the engines that SerializeTRTResource wrote, in ascending order."""
    import tensorflow as tf

    message = _engine_instance()
    found = []
    for record in tf.compat.v1.io.tf_record_iterator(file):
        engine = message.FromString(record)
        if not engine.serialized_engine:
            raise ValueError("an engine in the cache is empty")
        found.append(engine.input_shapes[0].dim[0].size)
    return sorted(found)


@functools.cache
def _engine_instance():
    """Make the protobuf class TRTEngineInstance, which TensorFlow ships for C++ alone."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_shape_pb2

    pool, name = descriptor_pool.Default(), "keras_nets.TRTEngineInstance"
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_nets/trt_engine_instance.proto", package="keras_nets", syntax="proto3"
    )
    file.dependency.append(tensor_shape_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="TRTEngineInstance")
    message.field.add(name="input_shapes", number=1, label=3, type=11)
    message.field[0].type_name = ".tensorflow.TensorShapeProto"
    message.field.add(name="serialized_engine", number=2, label=1, type=12)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def timed(run, batch):
    """Return the seconds of the first call, and of the fastest of a few more."""
    seconds = []
    for _ in range(1 + AGAIN):
        started = time.monotonic()
        run(batch)
        seconds.append(time.monotonic() - started)
    return seconds[0], min(seconds[1:])


def work(job, arrays):
    lacks = missing()
    if lacks:
        yield {"missing": lacks}, {}
    elif "sizes" in job:
        yield from run_all(job, arrays)
    else:
        served = loaded(job["model"], job["threads"])
        served.refuse_misfits(arrays)
        yield {}, served.run(arrays)


@functools.lru_cache(maxsize=1)
def loaded(model, threads):
    """Return the Served of a model, which stays for the next job, and its engines with it."""
    return Served(model, threads)


def run_all(job, arrays):
    """Run every size of the job; see above for the answer."""
    import numpy as np

    answer = {"runs": []}
    yield answer, {}
    served = loaded(job["model"], job.get("threads"))
    for size in job["sizes"]:
        answer["at"] = size
        yield answer, {}
        columns = {name: in_batches(values, size) for name, values in arrays.items()}
        batches = [dict(zip(columns, values)) for values in zip(*columns.values())]  # noqa: B905
        served.refuse_misfits(batches[0])
        first, later = timed(served.run, batches[0])
        made = [served.run(batch) for batch in batches]
        outputs = {
            f"{size}/{name}": np.concatenate([part[name] for part in made])
            for name in served.outputs
        }
        run = {"size": size, "seconds": first, "later": later, "engines": {}}
        answer["runs"].append(run)
        yield answer, outputs
        try:
            run["engines"] = served.engines()
        except Exception as error:  # the logits stand, whether or not engines can be counted
            answer["uncounted"] = in_a_line(error)
        yield answer, {}
