"""Rules on warm-up files: they lie in their place, load, and leave no batch size cold."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from export.files import read_bounded
from export.serving.ledger import FOLDERS, TF_SERVING
from export.serving.protos import configs, messages
from export.serving.repository import is_version
from export.serving.rules.base import LARGEST, UNREADABLE, Finding, Folder
from export.serving.savedmodel import Signature, Tensor
from export.serving.servers.configs import PER_VERSION
from export.serving.tfrecord import RecordError
from export.serving.warmup import FILE, LIMIT, read_warmup

FATAL = "so the version does not load"


def place(folder: Folder) -> Iterator[Finding]:
    """Warm-up files lie in assets.extra of a version, because no other is ever read."""
    for path in sorted(folder.path.glob(f"**/{FILE.name}*")):
        name = path.relative_to(folder.path)
        top, _, version, *below = (*name.parts, "", "")
        right = top == FOLDERS[TF_SERVING] and is_version(version) and Path(*below) == FILE
        if not right:
            yield folder.finding(
                name, f"is never read: a warm-up file is <version>/{FILE.as_posix()}"
            )


def records(folder: Folder) -> Iterator[Finding]:
    """The version can answer every record, because one that fails keeps it from loading."""
    for _, _, version in folder.loaded():
        path = version / FILE
        name = path.relative_to(folder.path)
        if not path.is_file():
            yield folder.finding(
                name, "is missing: the first request of every batch size waits for what it builds"
            )
            continue
        signatures = folder.signatures(version)
        sizes = _allowed(version)
        warmed = set()
        try:
            logs = list(islice(read_warmup(path), LIMIT + 1))
        except (RecordError, OSError) as error:
            yield folder.finding(name, f"{error}, {FATAL}")
            continue
        except DecodeError:
            yield folder.finding(name, f"holds a record that is no PredictionLog, {FATAL}")
            continue
        if len(logs) > LIMIT:
            yield folder.finding(name, f"holds more than {LIMIT} records, {FATAL}")
        for number, log in enumerate(logs[:LIMIT], start=1):
            wrong, batch = _judge(log, signatures, sizes)
            if wrong:
                yield folder.finding(name, f"record {number} {wrong}")
            else:
                warmed.add((_signature_of(log), batch))
        for signature in signatures:
            cold = [size for size in sizes if (signature, size) not in warmed]
            if cold:
                yield folder.finding(name, f"leaves {signature} cold at batches of {cold}")


def _judge(log, signatures: dict[str, Signature], sizes: list[int]) -> tuple[str, int]:
    """Return what is wrong with a record, or "", and its batch size."""
    kind = log.WhichOneof("log_type")
    if kind is None:
        return "is a blank, which warms nothing", 0
    if kind != "predict_log":
        return f"is a {kind}, not a predict_log, {FATAL}", 0
    request = log.predict_log.request
    signature = signatures.get(_signature_of(log))
    if signature is None:
        known = ", ".join(signatures) or "none"
        return f"names the signature {_signature_of(log)!r}, {FATAL}; there are {known}", 0
    if set(request.inputs) != set(signature.inputs):
        return f"feeds {sorted(request.inputs)}, not {sorted(signature.inputs)}, {FATAL}", 0
    if unknown := set(request.output_filter) - set(signature.outputs):
        return f"asks for {sorted(unknown)}, not of {sorted(signature.outputs)}, {FATAL}", 0
    batch = 0
    for name, proto in request.inputs.items():
        shape = tuple(dim.size for dim in proto.tensor_shape.dim)
        wrong = _mismatch(proto.dtype, shape, signature.inputs[name])
        if wrong:
            return f"feeds {name!r} {wrong}, {FATAL}", 0
        batch = shape[0] if shape else 0
    if sizes and batch not in sizes:
        fate = FATAL if batch > sizes[-1] else "so it is padded to the next one"
        return f"has a batch of {batch}, which is none of {sizes}, {fate}", batch
    return "", batch


def _signature_of(log) -> str:
    return log.predict_log.request.model_spec.signature_name or "serving_default"


def _mismatch(dtype: int, shape: tuple[int, ...], wanted: Tensor) -> str:
    found = messages().DataType.Name(dtype)
    if found != wanted.dtype:
        return f"{found}, not {wanted.dtype}"
    fits = wanted.shape is None or (
        len(shape) == len(wanted.shape)
        and all(w in (-1, s) for w, s in zip(wanted.shape, shape, strict=True))
    )
    return "" if fits else f"of shape {shape}, not {wanted.shape}"


def _allowed(version: Path) -> list[int]:
    """Return the batch sizes in the version's own file, or [] if it does not parse."""
    try:
        text = read_bounded(version / PER_VERSION, LARGEST).decode("utf-8")
        parameters = text_format.Parse(text, configs().BatchingParameters())
    except UNREADABLE:
        return []
    return sorted(parameters.allowed_batch_sizes)
