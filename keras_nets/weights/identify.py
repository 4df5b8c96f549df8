"""Tells what a weights file holds, from its headers: kind, flavour, classes, and its names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from keras_nets.catalog import NETS, Net, find_net
from keras_nets.errors import WeightsError
from keras_nets.weights.names import BY_ORDER, OURS, head, tensor_names
from keras_nets.weights.readers import open_weights
from keras_nets.weights.tensor import BLOCK, WeightsFile, refusing

MAX_CLASSES = 100_000  # bounds what a file can make a new model take; ImageNet-21k has 21,841
COUNTER = "num_batches_tracked"  # torch's, of training steps: no weight


@dataclass(frozen=True)
class Identity:
    """What a weights file is.

    `classes` is None where the file ends before the classifier. `naming` says whose names its
    tensors have: a flavour's, "ours", or "by order". `sha256` is of the whole file, if asked for.
    """

    kind: str
    flavour: str
    classes: int | None
    naming: str
    sha256: str | None = None


def identify_weights(net: Net | str, path, *, digest: bool = False) -> Identity:
    """Return what the weights file at `path` holds of `net`, reading headers only.

    With `digest`, the whole file is read for its sha256. Raises WeightsError where the file cannot
    be read or is of another network.
    """
    net = find_net(net) if isinstance(net, str) else net
    with open_weights(path) as file:
        found, _ = recognise(net, file)
    if not digest:
        return found
    return Identity(found.kind, found.flavour, found.classes, found.naming, sha256_of(path))


def sha256_of(path) -> str:
    """The sha256 of a file, in hex."""
    digest = hashlib.sha256()
    with refusing(Path(path)), Path(path).open("rb") as file:
        while data := file.read(BLOCK):
            digest.update(data)
    return digest.hexdigest()


def recognise(net: Net, file: WeightsFile) -> tuple[Identity, dict[str, str]]:
    """Return what `file` is, and our weight -> its tensor for each weight that it holds.

    Raises WeightsError unless the file has every weight of `net`, the classifier of a darknet file
    excepted, and nothing else.
    """
    written_for = file.metadata.get("net", net.name)
    if written_for != net.name:
        raise WeightsError(
            f"{file.path} holds weights of {written_for!r:.200}, not of {net.name!r}"
        )
    flavour, naming = max(_candidates(net, file), key=lambda pair: _overlap(net, file, *pair))
    names = tensor_names(net, flavour, naming)
    wanted = set(names.values())
    extra = [name for name in file.tensors if name not in wanted and not name.endswith(COUNTER)]
    missing = [name for name in names.values() if name not in file.tensors]
    cut = [name for name in missing if name.startswith("logits.")]
    if file.kind == "darknet" and missing == cut:
        names = {ours: name for ours, name in names.items() if name not in cut}
    elif missing or extra:
        raise WeightsError(_mismatch(net, file, missing, extra))
    return Identity(file.kind, flavour, _classes(net, file, names, naming), naming), names


def _candidates(net: Net, file: WeightsFile) -> list[tuple[str, str]]:
    """(flavour, naming) pairs to try, the likelier first: ties go to the first."""
    flavours = list(net.flavours)
    likely = file.metadata.get("flavour") or _flavour_by_layers(net, file)
    if likely in flavours:
        flavours.sort(key=lambda flavour: flavour != likely)
    return [(flavour, naming) for flavour in flavours for naming in (flavour, OURS, BY_ORDER)]


def _overlap(net: Net, file: WeightsFile, flavour: str, naming: str) -> int:
    """How many tensors the file has in common with a naming, less those that it lacks."""
    wanted = tensor_names(net, flavour, naming).values()
    return sum(1 if name in file.tensors else -1 for name in wanted)


def _flavour_by_layers(net: Net, file: WeightsFile) -> str | None:
    """The flavour that the layers without weights in a Keras file tell; None where they do not."""
    layers = file.metadata.get("layers", ())
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


def _mismatch(net: Net, file: WeightsFile, missing: list[str], extra: list[str]) -> str:
    """One line on a file whose names are not the network's, with the network that it is of."""
    told = f"{file.path} is no file of {net.name}: "
    if missing:
        told += f"it lacks {missing[0]!r} and {len(missing) - 1} more"
    else:
        told += f"it has {extra[0][:200]!r} and {len(extra) - 1} more tensors too many"
    held = set(file.tensors)
    others = [
        other.name
        for other in NETS.values()
        for flavour in other.flavours
        for naming in (flavour, OURS)
        if held == set(tensor_names(other, flavour, naming).values())
    ]
    if others:
        return f"{told}; its tensors are those of {' or '.join(dict.fromkeys(others))}"
    return f"{told}; its first is {next(iter(file.tensors), None)!r:.200}"


def _classes(net: Net, file: WeightsFile, names: dict[str, str], naming: str) -> int | None:
    """The classes of the classifier's kernel."""
    ours = head(net)
    if ours not in names:
        return None
    shape = file.tensors[names[ours]].shape
    classes = shape[class_axis(naming, shape)] if shape else 0
    if not 1 <= classes <= MAX_CLASSES:
        raise WeightsError(
            f"{file.path}: tensor {names[ours]!r} of shape {shape} is no classifier of 1 to"
            f" {MAX_CLASSES:_} classes"
        )
    return classes


def class_axis(naming: str, shape: tuple[int, ...]) -> int:
    """The axis of a classifier's kernel that has one entry a class: the first or the last."""
    last = naming in (OURS, BY_ORDER) or (naming == "paddle" and len(shape) == 2)
    return len(shape) - 1 if last else 0
