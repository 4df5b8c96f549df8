"""Signatures and ops of a SavedModel, read without TensorFlow and without its weights.

The file is mapped into memory and its wire format walked, so the 575 MB of weights of a TF-TRT
VGG19 are skipped, not read.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path

from export.errors import ArtifactError
from export.serving.protos import messages
from export.skeleton import wire

PREDICT = "tensorflow/serving/predict"

GRAPH = "meta_graphs.graph_def"
SIGNATURES = ("meta_graphs.signature_def",)
OPS = (f"{GRAPH}.node.op", f"{GRAPH}.library.function.node_def.op")


@dataclass(frozen=True)
class Tensor:
    """One input or output: `dtype` as TensorFlow spells it, -1 for a side that is free."""

    dtype: str
    shape: tuple[int, ...] | None  # None where even the rank is free


@dataclass(frozen=True)
class Signature:
    """What one signature takes and gives."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def read_signatures(path: Path) -> dict[str, Signature]:
    """Return the signatures that clients can call in `path`, a saved_model.pb.

    Raises ArtifactError if the file is not a SavedModel.
    """
    entry_type = _map_entry()
    found = {}
    for content in _collect(path, SIGNATURES):
        try:
            entry = entry_type.FromString(bytes(content))
        except Exception as cause:  # protobuf's DecodeError has no stable home
            raise ArtifactError(f"{path} holds a signature that does not parse") from cause
        if entry.value.method_name == PREDICT:
            found[entry.key] = Signature(
                tensors_of(entry.value.inputs), tensors_of(entry.value.outputs)
            )
    return dict(sorted(found.items()))


def read_ops(path: Path) -> frozenset[str]:
    """Return the names of all ops in the graph and the functions of `path`, a saved_model.pb.

    Raises ArtifactError if the file is not a SavedModel.
    """
    return frozenset(bytes(op).decode("utf-8", "replace") for op in _collect(path, OPS))


def _collect(path: Path, fields: tuple[str, ...]) -> list[memoryview]:
    """Return the contents of `fields`, each a path as in `wire.schema`, of a saved_model.pb."""
    found, schema = [], wire.schema(messages().SavedModel, *fields)

    def keep(_offset, content):
        found.append(content)

    if not path.is_file():  # opening a pipe would wait for somebody to write into it
        raise ArtifactError(f"{path} is no SavedModel: it is no regular file")
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        wire.rewrite(memoryview(mapped), schema, keep)
    except (OSError, ValueError) as cause:  # an empty file cannot be mapped: ValueError
        raise ArtifactError(f"{path} is no SavedModel: {cause}") from cause
    return found


def _map_entry():
    """Return the message of one entry of MetaGraphDef.signature_def: a key and a SignatureDef."""
    metagraph = messages().MetaGraphDef
    field = metagraph.DESCRIPTOR.fields_by_name["signature_def"]
    return field.message_type._concrete_class


def tensors_of(infos) -> dict[str, Tensor]:
    """Return the TensorInfos of a signature, by the names that clients use."""
    names = messages().DataType
    return {
        name: Tensor(
            names.Name(info.dtype),
            None
            if info.tensor_shape.unknown_rank
            else tuple(dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(infos.items())
    }
