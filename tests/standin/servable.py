"""Part of the STAND-IN: one loaded version, its batches and its warm-up."""

import queue
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from export.serving.protos import configs
from export.serving.warmup import FILE, LIMIT, read_warmup

ENQUEUED = 1000


class Busy(Exception):
    """The queue is full; the request may succeed later."""


class Drained(Exception):
    """The version was unloaded."""


class Servable:
    """A SavedModel whose requests of one signature are run together, in the sizes allowed."""

    def __init__(self, folder: Path, sizes: list[int], wait_s: float):
        self.loaded = tf.saved_model.load(str(folder))  # closes over the variables
        self.sizes, self.wait_s = sizes, wait_s
        self.ran = Counter()  # batches run, by their size
        self.signature_defs = {
            name: _signature_def(function) for name, function in self.loaded.signatures.items()
        }
        self.queues = {name: queue.Queue(ENQUEUED) for name in self.loaded.signatures}
        self.drained = False
        self.lock = threading.Lock()
        for name in self.queues:
            threading.Thread(target=self._work, args=(name,), daemon=True).start()

    def predict(self, signature: str, inputs) -> dict:
        """Return TensorProtos by name; raises ValueError, Busy or Drained."""
        if signature not in self.queues:
            raise ValueError(
                f'Serving signature key "{signature}" not found in: {sorted(self.queues)}'
            )
        arrays = self._check(signature, inputs)
        future = Future()
        with self.lock:
            if self.drained:
                raise Drained
            try:
                self.queues[signature].put_nowait((arrays, future))
            except queue.Full:
                raise Busy(
                    "The batch scheduling queue to which this task was submitted is full"
                ) from None
        return {name: tf.make_tensor_proto(values) for name, values in future.result().items()}

    def drain(self) -> None:
        """Take no more requests; what was taken is still answered."""
        with self.lock:
            self.drained = True
            for waiting in self.queues.values():
                waiting.put(None)

    def _check(self, signature: str, inputs) -> dict:
        expected = self.signature_defs[signature].inputs
        if set(inputs) != set(expected):
            raise ValueError(
                f"input size does not match signature: {len(inputs)} != {len(expected)}; "
                f"expected {sorted(expected)}, got {sorted(inputs)}"
            )
        arrays = {}
        for name, proto in inputs.items():
            if proto.dtype != expected[name].dtype:
                raise ValueError(f"Expects arg[0] to be {expected[name].dtype} but {proto.dtype}")
            arrays[name] = tf.make_ndarray(proto)
            size = len(arrays[name]) if arrays[name].ndim else 0
            if not 0 < size <= self.sizes[-1]:
                raise ValueError(
                    f"Task size {size} is larger than maximum input batch size {self.sizes[-1]}"
                )
            want = [dim.size for dim in expected[name].tensor_shape.dim]
            if len(want) != arrays[name].ndim or any(
                w not in (-1, s) for w, s in zip(want, arrays[name].shape, strict=True)
            ):
                raise ValueError(f"{name} should be {want}, not {list(arrays[name].shape)}")
        return arrays

    def _work(self, signature: str) -> None:
        waiting, held = self.queues[signature], None
        while True:
            first = held or waiting.get()
            held = None
            if first is None:
                return
            batch, size = [first], _rows(first)
            deadline = time.monotonic() + self.wait_s
            while size < self.sizes[-1]:
                try:
                    task = waiting.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    break
                if task is None:  # drained: run these, then end
                    waiting.put(None)
                    break
                if size + _rows(task) > self.sizes[-1]:
                    held = task
                    break
                batch.append(task)
                size += _rows(task)
            self._run(signature, batch, size)

    def _run(self, signature: str, batch: list, size: int) -> None:
        padded = next(allowed for allowed in self.sizes if allowed >= size)
        try:
            inputs = {}
            for name in batch[0][0]:
                rows = np.concatenate([arrays[name] for arrays, _ in batch])
                fill = np.repeat(rows[:1], padded - size, axis=0)
                inputs[name] = tf.constant(np.concatenate([rows, fill]))
            outputs = self.loaded.signatures[signature](**inputs)
        except Exception as error:  # one bad request fails its whole batch, as in the real one
            for _, future in batch:
                future.set_exception(ValueError(str(error).splitlines()[0]))
            return
        self.ran[padded] += 1
        at = 0
        for task in batch:
            rows = slice(at, at + _rows(task))
            at += _rows(task)
            task[1].set_result({name: value.numpy()[rows] for name, value in outputs.items()})


def load(folder: Path) -> Servable:
    """Load the version in `folder` and replay its warm-up; raises where a record fails."""
    parameters = text_format.Parse(
        (folder / "batching_params.pbtxt").read_text(encoding="utf-8"),
        configs().BatchingParameters(),
    )
    servable = Servable(
        folder,
        list(parameters.allowed_batch_sizes),
        parameters.batch_timeout_micros.value / 1e6,
    )
    for count, log in enumerate(read_warmup(folder / FILE), start=1):
        if count > LIMIT:
            raise ValueError(f"Number of warmup records exceeds the maximum ({LIMIT})")
        request = log.predict_log.request
        servable.predict(request.model_spec.signature_name, request.inputs)
    return servable


def _rows(task) -> int:
    return len(next(iter(task[0].values())))


def _signature_def(function):
    """Describe a loaded signature as GetModelMetadata does."""
    from tensorflow.core.protobuf import meta_graph_pb2

    made = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    for name, spec in function.structured_input_signature[1].items():
        _describe(made.inputs[name], spec)
    for name, spec in function.structured_outputs.items():
        _describe(made.outputs[name], spec)
    return made


def _describe(info, spec) -> None:
    info.dtype = spec.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(spec.shape.as_proto())
