"""Thirteen bugs that exports really have, as edits of a network.

Each gives edits at several places of the network, the likeliest to show first, or none where the
network has nothing that the bug could sit in. Edits are as small as the bug comes: one kernel, one
bias, two classes. A bug that can sit in the graph or in the inputs is put there, not into weights,
for weights are compared by hash and would give it away.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial

import numpy as np

from export.compression.promises import Promise
from export.contract import Batch, Contract, Predict
from export.networks.base import (
    BYPASS,
    CEIL,
    CONV,
    DENSE,
    HALVE,
    JOIN,
    PAD,
    POOL,
    RELU,
    SHIFT,
    ZERO,
    Change,
    Edit,
    Network,
    Part,
)
from export.skeleton.fold import Norm

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures
EPSILONS = (1e-5, 1e-3)  # the other frameworks' default, and Keras'
OFF = 1.01  # one per cent


@dataclass(frozen=True)
class Promised:
    """What was promised of a kernel, as the artifact calls it, when the model was compressed."""

    kernel: str
    promise: Promise
    by_channel: bool  # whether its distinct values are counted so


@dataclass(frozen=True)
class Subject:
    """A network, and what its mutations need to know of it."""

    network: Network
    contract: Contract
    outputs: Batch  # of the network as it is
    held: dict[str, str]  # Keras' name of a weight -> the artifact's
    _: KW_ONLY
    norms: tuple[Norm, ...] = ()
    promises: tuple[Promised, ...] = ()

    def parts(self, *kinds: str) -> list[Part]:
        return [part for part in self.network.parts if part.kind in kinds]


@dataclass(frozen=True)
class Mutation:
    """A kind of bug: what it is called, how it comes about, and its edits of a subject.

    One `of_model` is a bug that the model has too: its artifact is a true copy, so that hashes and
    outputs agree.
    """

    name: str
    why_none: str  # why a network may have nothing for it to sit in
    edits: Callable[[Subject], Iterable[Edit]]
    fits: Callable[[Contract], bool] = lambda _: True
    _: KW_ONLY
    of_model: bool = False

    def edits_of(self, subject: Subject) -> Iterable[Edit]:
        """Return its edits of `subject`; none where it fits no network of that contract."""
        return self.edits(subject) if self.fits(subject.contract) else ()


def from_the_middle(parts: list) -> list:
    """Return at most three places: the middle, the first and the last."""
    picked = [parts[at] for at in (len(parts) // 2, 0, len(parts) - 1)] if parts else []
    return list(dict.fromkeys(picked))


def _changes(verb: str, parts: list[Part]) -> Iterator[Edit]:
    for part in from_the_middle(parts):
        yield Edit(changes=(Change(verb, part.node),))


def _each(change: Callable[[np.ndarray], np.ndarray]) -> Predict:
    """Change every tensor of a batch; a classifier has one."""
    return lambda batch: {name: change(values) for name, values in batch.items()}


def _bgr(subject: Subject) -> Iterator[Edit]:
    yield Edit(given=_each(lambda images: images[..., ::-1]))


def _unnormalised(subject: Subject) -> Iterator[Edit]:
    def undo(images):
        if images.shape[-1] != len(MEAN):
            return images * np.float32(STD[0]) + np.float32(MEAN[0])
        return images * np.float32(STD) + np.float32(MEAN)

    yield Edit(given=_each(undo))


def _transposed(subject: Subject) -> Iterator[Edit]:
    yield Edit(given=_each(lambda images: images.swapaxes(1, 2)))


def _zeroed_branch(subject: Subject) -> Iterator[Edit]:
    joins = subject.parts(JOIN)
    towers = [part for part in subject.parts(CONV) if part.kernel]
    return _changes(ZERO, joins) if joins else _changes(HALVE, towers)


def _flipped_kernel(subject: Subject) -> Iterator[Edit]:
    kernels = [part.kernel for part in subject.parts(CONV) if part.kernel]
    wide = [name for name in kernels if max(subject.network.read(name).shape[:-2], default=1) > 1]
    for name in from_the_middle(wide):
        values = subject.network.read(name)
        yield Edit({name: np.flip(values, axis=range(values.ndim - 2))})


def _reversed(subject: Subject) -> Iterator[Edit]:
    yield Edit(gives=_each(lambda logits: logits[:, ::-1]))


def _swapped(subject: Subject) -> Iterator[Edit]:
    """The likeliest class of the first image and its runner-up."""
    (own,) = subject.outputs.values()
    if own.shape[1] < 2:
        return
    order = np.argsort(-own[0], kind="stable")
    first, second = int(order[0]), int(order[1])

    def swap(logits):
        logits = logits.copy()
        logits[:, [first, second]] = logits[:, [second, first]]
        return logits

    yield Edit(gives=_each(swap))


def _dropped_relu(subject: Subject) -> Iterator[Edit]:
    return _changes(BYPASS, subject.parts(RELU))


def _ceil(subject: Subject) -> Iterator[Edit]:
    """Of pools that divide evenly none has to be run: they round up to the same size."""
    pools = subject.parts(POOL)
    if not all(part.ragged for part in pools):
        yield Edit()
    for part in pools:
        if part.ragged:
            yield Edit(changes=(Change(CEIL, part.node),))


def _shifted_pad(subject: Subject) -> Iterator[Edit]:
    return _changes(SHIFT, [part for part in subject.parts(CONV, PAD) if part.padded])


def _wrong_epsilon(subject: Subject) -> Iterator[Edit]:
    """In every batch-norm, as a framework's default is."""
    weights = {}
    for norm in subject.norms:
        if norm.kernel not in subject.held or norm.bias not in subject.held:
            continue
        wrong = max(EPSILONS, key=lambda epsilon: abs(epsilon - norm.epsilon))
        ratio = np.sqrt((norm.variance + norm.epsilon) / (norm.variance + wrong))
        kernel, bias = subject.held[norm.kernel], subject.held[norm.bias]
        values = subject.network.read(kernel)
        depthwise = values.shape[-1] != len(ratio)
        weights[kernel] = values * (ratio.reshape(values.shape[-2:]) if depthwise else ratio)
        weights[bias] = (subject.network.read(bias) - norm.beta) * ratio + norm.beta
    if weights:
        yield Edit({name: values.astype(np.float32) for name, values in weights.items()})


def _bias_off(subject: Subject) -> Iterator[Edit]:
    """The largest element of one bias vector."""
    for part in from_the_middle([part for part in subject.parts(CONV, DENSE) if part.bias]):
        bias = subject.network.read(part.bias).copy()
        bias[np.abs(bias).argmax()] *= np.float32(OFF)
        yield Edit({part.bias: bias})


def _in_bits(subject: Subject, bits: int) -> Iterator[Edit]:
    kernels = [part for part in subject.parts(CONV) if part.kernel]
    for part in from_the_middle(kernels or [p for p in subject.parts(DENSE) if p.kernel]):
        kernel = subject.network.read(part.kernel)
        step = np.abs(kernel).max() / np.float32(2 ** (bits - 1) - 1)  # either side of zero
        yield Edit({part.kernel: np.round(kernel / step) * step})


def _classifies(contract: Contract) -> bool:
    return contract.classifier is not None


NO_CLASSIFIER = "no classifier of pictures"
MUTATIONS = (
    Mutation("channels in BGR order", NO_CLASSIFIER, _bgr, _classifies),
    Mutation("images not normalised", NO_CLASSIFIER, _unnormalised, _classifies),
    Mutation("a branch zeroed", "no convolution", _zeroed_branch),
    Mutation("a kernel flipped", "no kernel wider than a pixel", _flipped_kernel),
    Mutation("height and width swapped", NO_CLASSIFIER, _transposed, _classifies),
    Mutation("classes reversed", NO_CLASSIFIER, _reversed, _classifies),
    Mutation("two classes swapped", "one class", _swapped, _classifies),
    Mutation("a ReLU dropped", "no ReLU", _dropped_relu),
    Mutation("pooling rounded up", "no max pooling", _ceil),
    Mutation("padding shifted by one", "no padding", _shifted_pad),
    Mutation("another batch-norm epsilon", "no batch-norm", _wrong_epsilon),
    Mutation("a bias off by 1 %", "no bias", _bias_off),
    Mutation("a kernel in 6 bits", "no kernel", partial(_in_bits, bits=6)),
)
COARSER = Mutation("a kernel in 4 bits", "no kernel", partial(_in_bits, bits=4))


def mutations_of(precision: str) -> tuple[Mutation, ...]:
    """The mutations of artifacts of a precision: 6 bits are no bug to speak of beside 8."""
    return (*MUTATIONS[:-1], COARSER) if precision == "int8" else MUTATIONS
