"""What a network takes and gives: the names, types and shapes of its inputs and outputs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

BATCH = "batch"  # the name of the first axis
IMAGE, LOGITS, PROBABILITIES = "image", "logits", "probabilities"  # of a classifier of pictures

FREE = 64  # how long an axis is taken to be that may be of any length
GIVEN = "given/"  # begins the names of inputs among other arrays

Batch = dict[str, np.ndarray]  # by the tensor's name; the first axis of each is the batch
Predict = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Tensor:
    """An input or output as it is declared; a free axis is None or has a name."""

    name: str
    dtype: str  # numpy's name, or "string"
    shape: tuple[int | str | None, ...]  # the first is the batch

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the free axes besides the batch."""
        return tuple(axis for axis in self.shape[1:] if isinstance(axis, str))

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The axes after the batch; None for a free one."""
        return tuple(axis if isinstance(axis, int) else None for axis in self.shape[1:])

    @property
    def floats(self) -> bool:
        return "float" in self.dtype


def sizes_of(tensor: Tensor, free: Mapping[str, int] | None = None) -> tuple[int, ...]:
    """The sizes of one sample; free axes are as long as `free` says, or FREE."""
    free = free or {}
    return tuple(
        axis if isinstance(axis, int) else free.get(axis, FREE) for axis in tensor.shape[1:]
    )


@dataclass(frozen=True)
class Classifier:
    """One picture in, one row of logits out."""

    image: tuple[int, int, int]  # height, width, channels
    classes: int


@dataclass(frozen=True)
class Contract:
    """What every artifact of a network takes and gives, in the order of the network."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def classifier(self) -> Classifier | None:
        """The size of the pictures and the classes, or None where it is another kind of network.

        That is one input float32 (batch, height, width, channels) of fixed size and one output
        float32 (batch, classes).
        """
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            return None
        (given,), (made,) = self.inputs, self.outputs
        if (given.dtype, made.dtype) != ("float32", "float32") or len(given.shape) != 4:
            return None
        if len(made.shape) != 2 or None in (*given.sizes, *made.sizes):
            return None
        return Classifier(given.sizes, made.sizes[0])

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the free axes of inputs, besides the batch, each once."""
        return tuple(dict.fromkeys(axis for tensor in self.inputs for axis in tensor.free))

    @property
    def called(self) -> str:
        """What is compared, in a sentence: logits, an only output by its name, or outputs."""
        if self.classifier:
            return LOGITS
        return self.outputs[0].name if len(self.outputs) == 1 else "outputs"

    def as_dict(self) -> dict:
        """The `contract` of report.json."""
        return {
            side: [{**asdict(tensor), "shape": list(tensor.shape)} for tensor in tensors]
            for side, tensors in (("inputs", self.inputs), ("outputs", self.outputs))
        }

    @classmethod
    def from_dict(cls, content: dict) -> "Contract":
        """The contract that `as_dict` made `content` of; ValueError where it made none."""
        try:
            return cls(*(tuple(map(_tensor, content[side])) for side in ("inputs", "outputs")))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"contract is {repr(content)[:120]}") from error

    @classmethod
    def of_classifier(cls, image: Iterable[int], classes: int) -> "Contract":
        """The contract of a classifier of pictures: `image` in, `logits` out."""
        given = Tensor(IMAGE, "float32", (BATCH, *image))
        return cls((given,), (Tensor(LOGITS, "float32", (BATCH, classes)),))


def called(content: dict | None) -> str:
    """`Contract.called` of what a report holds as its contract; reports of old are of logits."""
    try:
        return Contract.from_dict(content).called if content else LOGITS
    except ValueError:
        return LOGITS


def _tensor(entry: dict) -> Tensor:
    shape = tuple(entry["shape"])
    fits = isinstance(entry["name"], str) and isinstance(entry["dtype"], str)
    if not fits or not all(isinstance(axis, int | str | None) for axis in shape):
        raise TypeError(f"a tensor is {entry}")
    return Tensor(entry["name"], entry["dtype"], shape)


def in_words(tensors: Iterable[Tensor]) -> str:
    """The tensors as a sentence names them: `ids` int32 (batch, time), ..."""
    return ", ".join(
        f"`{tensor.name}` {tensor.dtype} "
        f"({', '.join('any' if axis is None else str(axis) for axis in tensor.shape)})"
        for tensor in tensors
    )


def free_lengths(batch: Batch, contract: Contract) -> dict[str, int]:
    """Return how long each free axis of the inputs is in `batch`, by its name."""
    return {
        axis: batch[tensor.name].shape[at]
        for tensor in contract.inputs
        for at, axis in enumerate(tensor.shape)
        if at and isinstance(axis, str)
    }


def rows(batch: Batch) -> int:
    """How many samples `batch` holds."""
    return len(next(iter(batch.values())))


def prefixed(batch: Batch, prefix: str) -> Batch:
    """The arrays of `batch` under names that begin with `prefix`."""
    return {f"{prefix}{name}": values for name, values in batch.items()}


def named(arrays: Batch, prefix: str) -> Batch:
    """What `prefixed` made of a batch, among other arrays."""
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def part(batch: Batch, where: slice | np.ndarray) -> Batch:
    """Return some of the samples of `batch`, by a slice or by their numbers."""
    return {name: values[where] for name, values in batch.items()}


def joined(batches: Iterable[Batch]) -> Batch:
    """The samples of all `batches`, which have the same names, one after another."""
    batches = list(batches)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
