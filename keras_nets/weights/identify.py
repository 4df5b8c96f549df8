"""Identify a weights file from its headers: kind, flavour, classes, and names of tensors."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from keras_nets.catalog import MOST_CLASSES, NETS, Net, find_net
from keras_nets.errors import WeightsError
from keras_nets.weights.names import BY_ORDER, OURS, head, tensor_names
from keras_nets.weights.prefix import below, find_prefixes, rank
from keras_nets.weights.readers import open_weights
from keras_nets.weights.tensor import BLOCK, ITEM_BYTES, Tensor, WeightsFile, refusing

MOST_TENSORS = 5_000  # of a file that is worth a look for another network; DarkNet-53 has 262
# Counts that torch and a profiler of it keep beside the weights.
COUNTERS = ("num_batches_tracked", "total_ops", "total_params")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a weights file holds.

    `classes` is None if the file ends before the classifier. `naming` says whose names its tensors
    have: a flavour's, "ours", or "by order". `sha256` is of the whole file, if asked for. `prefix`
    stands before each name, and `note` says which parts of the file are not read.
    """

    kind: str
    flavour: str
    classes: int | None
    naming: str
    sha256: str | None = None
    prefix: str = ""
    note: str = ""


def identify_weights(net: Net | str, path, *, digest: bool = False) -> Identity:
    """Return what the weights file at `path` holds of `net`, reading headers only.

    With `digest`, the whole file is read for its sha256. Raises WeightsError if the file cannot
    be read or is of another network.
    """
    net = find_net(net) if isinstance(net, str) else net
    with open_weights(path) as file:
        found, _ = recognise(net, file)
    if not digest:
        return found
    return replace(found, sha256=sha256_of(path))


def sha256_of(path) -> str:
    """Return the sha256 of a file, in hex."""
    digest = hashlib.sha256()
    with refusing(Path(path)), Path(path).open("rb") as file:
        while data := file.read(BLOCK):
            digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """One way to read a file as a network: whose names, after which prefix."""

    flavour: str
    naming: str
    prefix: str
    names: dict[str, str]  # our weight -> the tensor's name in the file
    missing: tuple[str, ...]  # names in the file

    @property
    def score(self) -> int:
        """The number of tensors that the file and the network share, less those it lacks."""
        return len(self.names) - 2 * len(self.missing)


def recognise(net: Net, file: WeightsFile) -> tuple[Identity, dict[str, str]]:
    """Return what `file` is, and our weight -> its tensor for each weight that it holds.

    Raises WeightsError unless the file has every weight of `net`, the classifier of a darknet file
    excepted, and nothing else under the same prefix.
    """
    written_for = file.metadata.get("net", net.name)
    if written_for != net.name:
        raise WeightsError(
            f"{file.path} holds weights of {written_for!r:.200}, not of {net.name!r}"
        )
    fits = _fits(net, file)
    fit = max(fits, key=lambda fit: fit.score)  # of equal ones the first
    names = fit.names
    cut = [name for name in fit.missing if name.removeprefix(fit.prefix).startswith("logits.")]
    if file.kind == "darknet" and list(fit.missing) == cut:
        names = {ours: name for ours, name in names.items() if name not in cut}
    elif fit.missing or _extra(file, fit):
        raise WeightsError(_mismatch(net, file, fit))
    note = _aside(net, file, fit, fits)
    for name in names.values():
        if file.tensors[name].problem:
            raise WeightsError(f"{file.path}: {file.tensors[name].problem}")
    classes = _classes(net, file, names, fit.naming)
    return Identity(
        kind=file.kind,
        flavour=fit.flavour,
        classes=classes,
        naming=fit.naming,
        sha256=None,
        prefix=fit.prefix,
        note=note,
    ), names


def _fits(net: Net, file: WeightsFile) -> list[_Fit]:
    """Return the ways to read `file` as `net`, the likelier first."""
    found = []
    for flavour, naming, plain in _namings(net):
        for prefix in find_prefixes(file.tensors, plain.values()):
            found.append(_fit(file, flavour, naming, prefix, plain))
    likely = {fit.prefix: _likely_flavour(net, file, fit.prefix) for fit in found}
    return sorted(found, key=lambda fit: (rank(fit.prefix), fit.flavour != likely[fit.prefix]))


def _namings(net: Net) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(flavour, naming, our weight -> the tensor's name there)."""
    for flavour in net.flavours:
        for naming in (flavour, OURS, BY_ORDER):
            yield flavour, naming, tensor_names(net, flavour, naming)


def _fit(file: WeightsFile, flavour: str, naming: str, prefix: str, plain: dict) -> _Fit:
    names = {ours: prefix + name for ours, name in plain.items()}
    missing = tuple(name for name in names.values() if name not in file.tensors)
    return _Fit(flavour=flavour, naming=naming, prefix=prefix, names=names, missing=missing)


def _extra(file: WeightsFile, fit: _Fit) -> list[str]:
    """Return the tensors under the prefix of `fit` that do not belong to the network."""
    wanted = set(fit.names.values())
    names = (fit.prefix + rest for rest in below(file.tensors, fit.prefix))
    return [
        name
        for name in names
        if name not in wanted and not name.endswith(COUNTERS) and _may_be_weight(file.tensors[name])
    ]


def _may_be_weight(tensor: Tensor) -> bool:
    """Return whether this may be a weight, not an epoch, an accuracy or a script's arguments."""
    if tensor.problem and not tensor.dtype:  # it could not even be described
        return True
    return tensor.shape != () and tensor.dtype in ITEM_BYTES


def _aside(net: Net, file: WeightsFile, fit: _Fit, fits: list[_Fit]) -> str:
    """Return a note on what is not read; raise WeightsError if that may be what was meant."""
    if not fit.prefix:
        return ""
    whole = {other.prefix for other in fits if other.score == fit.score} - {fit.prefix}
    twins = [prefix for prefix in sorted(whole) if rank(prefix) == rank(fit.prefix)]
    if twins:
        raise WeightsError(
            f"{file.path} holds {net.name} under {fit.prefix!r} and under {twins[0]!r:.200};"
            " save the one that is meant in a file by itself"
        )
    note = f"taken from {fit.prefix!r:.200}"
    if whole:
        note += f", not from {', '.join(sorted(whole))[:200]}"
    used = (fit.prefix, *whole)
    others = [name for name in file.tensors if not name.startswith(used)]
    layers = [above + (name or kind) for above, kind, name in file.metadata.get("layers", ())]
    around = [name for name in layers if not f"{name}/".startswith(used)] or others
    around = [name for name in around if not fit.prefix.startswith(f"{name}/")]
    if around:
        note += f"; not read: {around[0][:100]!r}"
        note += f" and {len(around) - 1} more" if len(around) > 1 else ""
    return note


def _likely_flavour(net: Net, file: WeightsFile, prefix: str) -> str | None:
    return file.metadata.get("flavour") or _flavour_by_layers(net, file, prefix)


def _flavour_by_layers(net: Net, file: WeightsFile, prefix: str) -> str | None:
    """Return the flavour, if layers without weights in a Keras file show it, else None."""
    layers = [layer[1:] for layer in file.metadata.get("layers", ()) if layer[0] == prefix]
    kinds = [kind.rstrip("_0123456789") for kind, _ in layers]
    names = [name for _, name in layers]
    if net.family == "darknet":
        return "darknet" if "leaky_re_lu" in kinds else None
    if net.family != "squeezenet" or not layers:
        return None
    pads = kinds.count("zero_padding2d")
    # torchvision pads before pools, where their grids are even; only 1.1 of paddle pads conv1.
    if net.name == "squeezenet1_0":
        return "torchvision" if pads else None
    pads_conv1 = "conv1_pad" in names if any(names) else pads == 1
    return None if pads_conv1 else "torchvision"


def _mismatch(net: Net, file: WeightsFile, fit: _Fit) -> str:
    """Return a line on a file with other names, and the network that these belong to."""
    line = f"{file.path} is no file of {net.name}: "
    if fit.missing:
        line += f"it lacks {fit.missing[0]!r:.200} and {len(fit.missing) - 1} more"
    else:
        extra = _extra(file, fit)
        line += f"it has {extra[0][:200]!r} and {len(extra) - 1} more tensors too many"
    others = [
        other.name
        for other in NETS.values()
        if other is not net and len(file.tensors) <= MOST_TENSORS and _is_of(other, file)
    ]
    if others:
        return f"{line}; its tensors are those of {' or '.join(others)}"
    return f"{line}; its first is {next(iter(file.tensors), None)!r:.200}"


def _is_of(net: Net, file: WeightsFile) -> bool:
    return any(not fit.missing and not _extra(file, fit) for fit in _fits(net, file))


def _classes(net: Net, file: WeightsFile, names: dict[str, str], naming: str) -> int | None:
    """Return the number of classes, from the shape of the classifier's kernel."""
    ours = head(net)
    if ours not in names:
        return None
    shape = file.tensors[names[ours]].shape
    classes = shape[class_axis(naming, shape)] if shape else 0
    if not 1 <= classes <= MOST_CLASSES:
        raise WeightsError(
            f"{file.path}: tensor {names[ours]!r} of shape {shape} is no classifier of 1 to"
            f" {MOST_CLASSES:_} classes"
        )
    return classes


def class_axis(naming: str, shape: tuple[int, ...]) -> int:
    """Return the axis of a classifier's kernel with an entry for each class: first or last."""
    last = naming in (OURS, BY_ORDER) or (naming == "paddle" and len(shape) == 2)
    return len(shape) - 1 if last else 0
