"""Warm-up: requests that TF Serving replays while it loads a version, before it is available.

The first request of each batch size is slow: TF-TRT builds an engine for it (about 100 s), plain
TensorFlow allocates and optimises. So there is one record for every signature at every batch size
that the server may form. A record that fails makes the version fail to load, and so does the
1001st record.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from export.contract import FREE, Contract, sizes_of
from export.contract import Tensor as Declared
from export.errors import ExportError
from export.serving.protos import messages
from export.serving.samples import sample
from export.serving.savedmodel import Signature, Tensor
from export.serving.tensors import numpy_name, to_proto
from export.serving.tfrecord import read_records, write_records
from export.signatures import CLASSIFY

FILE = Path("assets.extra", "tf_serving_warmup_requests")  # below the version, and nowhere else
LIMIT = 1000  # WarmupConsts::kMaxNumRecords
# Ascending is what was measured on a GPU: an engine was built for each batch size in turn. An
# engine with implicit batch also serves batches smaller than its own, so with the largest size
# first one build of 100 to 244 s may do instead of three; until a GPU has shown that, it is not
# what is written.
LARGEST_FIRST = False


def write_warmup(
    version: Path,
    model: str,
    signatures: Mapping[str, Signature],
    batch_sizes: tuple[int, ...],
    contract: Contract,
    *,
    largest_first: bool = LARGEST_FIRST,
) -> int:
    """Write the warm-up file of the folder `version` and return its number of records.

    Batch sizes ascend, or descend with `largest_first`: the order in which engines are built.
    What is free of a signature's shapes is as long as `contract` has it. Raises ExportError if a
    signature takes what no request can hold, or if there would be more records than TF Serving
    accepts.
    """
    count = len(signatures) * len(batch_sizes)
    if not 0 < count <= LIMIT:
        raise ExportError(f"{count} warm-up records; TF Serving takes 1 to {LIMIT}")
    path = version / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = sorted(batch_sizes, reverse=largest_first)
    return write_records(path, _records(model, signatures, sizes, contract))


def read_warmup(path: Path) -> Iterator:
    """Yield the PredictionLogs of a warm-up file.

    Raises RecordError if the framing is broken, protobuf's DecodeError if a record is.
    """
    for record in read_records(path):
        yield messages().PredictionLog.FromString(record)


def _records(model, signatures, batch_sizes, contract: Contract) -> Iterator[bytes]:
    declared = {tensor.name: tensor for tensor in contract.inputs}
    for name, signature in signatures.items():
        for batch in batch_sizes:
            log = messages().PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = name
            for key, tensor in signature.inputs.items():
                if name == CLASSIFY:
                    values = [sample_png()] * batch
                else:
                    values = _sample(f"{name}.{key}", tensor, batch, declared.get(key))
                request.inputs[key].CopyFrom(to_proto(values, tensor.dtype))
            yield log.SerializeToString(deterministic=True)


def _sample(where: str, tensor: Tensor, batch: int, declared: Declared | None) -> np.ndarray:
    """Return a batch of values for one input of a signature, as the contract may declare it."""
    try:
        dtype = numpy_name(tensor.dtype)
        if declared is not None:
            sizes = sizes_of(declared)
        elif tensor.shape:
            sizes = [FREE if side < 0 else side for side in tensor.shape[1:]]
        else:
            raise ValueError("its first axis should be the batch")
        return sample(dtype, (batch, *sizes), batch)
    except ValueError as error:
        raise ExportError(
            f"no warm-up is known for {where}, which takes {tensor.dtype} {tensor.shape}: {error}"
        ) from error


def sample_png(height: int = 240, width: int = 320) -> bytes:
    """Return a picture to decode: a colour gradient as PNG, RGB, 8 bits a channel."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
