"""Which weights of which layers are compressed, and why others are left alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from export.compression.facts import GROUP
from export.compression.method import PATTERN, Method
from export.compression.twin import Twin
from export.names import choose

# The weight of each kind of layer that tensorflow-model-optimization prunes and clusters. It leaves
# the kernels of depthwise convolutions alone: they are few values, and accuracy suffers.
KERNELS = {
    "Conv1D": "kernel", "Conv2D": "kernel", "Conv2DTranspose": "kernel", "Conv3D": "kernel",
    "Conv3DTranspose": "kernel", "Dense": "kernel", "Embedding": "embeddings",
    "SeparableConv1D": "pointwise_kernel", "SeparableConv2D": "pointwise_kernel",
}  # fmt: skip
FIRST, LAST = "it is the first layer", "it is the last layer"
WITH_PATTERN = ("Conv2D", "Dense")  # their kernels end with input and output channels


@dataclass(frozen=True)
class Kernel:
    """A weight that could be compressed, of a layer in the twin."""

    layer: str  # in the twin's description
    weight: str
    kind: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        size = 1
        for side in self.shape:
            size *= side
        return size


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The kernels that each way is for, and why others are left alone, or out of one way."""

    kernels: tuple[Kernel, ...]  # all there are, in the order in which they run
    prune: tuple[Kernel, ...]
    cluster: tuple[Kernel, ...]
    quantise: tuple[str, ...]  # layers, those without kernels too
    left: dict[str, str]  # by the layer's name in the twin

    def weights(self) -> dict[str, list[list[str]]]:
        """The same as JSON for the lane."""
        return {
            way: [[one.layer, one.weight] for one in getattr(self, way)]
            for way in ("prune", "cluster")
        }


def choose_layers(twin: Twin, method: Method) -> Chosen:
    """Choose kernels of `twin` as `method` says.

    Raises ValueError for names of layers that are none, and where nothing is left to do.
    """
    kernels = tuple(_kernels(twin))
    only, skip = (_named(names, twin, kernels) for names in (method.only, method.skip))
    left = dict(_left_alone(kernels, method, only, skip))
    ready = [one for one in kernels if one.layer not in left]
    unpruned = {one: why for one in ready if (why := _why_not_pruned(one, method))}
    unclustered = {one: why for one in ready if (why := _why_not_clustered(one, method))}
    prune = [one for one in ready if method.prune is not None and one not in unpruned]
    cluster = [one for one in ready if method.cluster is not None and one not in unclustered]
    for one, why in (*unpruned.items(), *unclustered.items()):
        left[one.layer] = f"{left[one.layer]}; {why}" if one.layer in left else why
    if not (prune or cluster or method.qat):
        raise ValueError(f"no layer is left to compress: {_listed(left, twin)}{_hint(left)}")
    return Chosen(
        kernels=kernels,
        prune=tuple(prune),
        cluster=tuple(cluster),
        quantise=_quantised(twin, kernels, only, skip) if method.qat else (),
        left=left,
    )


def _kernels(twin: Twin) -> Iterable[Kernel]:
    described = {one["name"]: one for one in twin.description["layers"]}
    for name in dict.fromkeys(call["layer"] for call in twin.description["calls"]):
        kind = described[name]["class_name"]
        weight = KERNELS.get(kind)
        if weight in described[name]["weights"]:
            shape = tuple(twin.variables(name)[weight].shape)
            yield Kernel(name, weight, kind, shape)


def _named(names: Iterable[str], twin: Twin, kernels: tuple[Kernel, ...]) -> set[str]:
    """The layers of the twin that a user means by `names`."""
    known = {twin.names[one.layer]: one.layer for one in kernels}
    return {known[choose(name, known, "layer that could be compressed")] for name in names}


def _left_alone(kernels: tuple[Kernel, ...], method: Method, only: set[str], skip: set[str]):
    ends = {one.layer: FIRST for one in kernels[:1]} | {one.layer: LAST for one in kernels[-1:]}
    for one in kernels:
        if one.layer in skip:
            yield one.layer, "--skip names it"
        elif only and one.layer not in only:
            yield one.layer, "--only names others"
        elif one.layer in ends and not (only or method.ends or _is_qat_alone(method)):
            yield one.layer, ends[one.layer]


def _is_qat_alone(method: Method) -> bool:
    return method.prune is None and method.cluster is None


def _quantised(twin: Twin, kernels, only: set[str], skip: set[str]) -> tuple[str, ...]:
    """All layers but those that a user leaves out.

    The first and the last take part, because a format of int8 rounds them too.
    """
    aside = skip | ({one.layer for one in kernels} - only if only else set())
    return tuple(one["name"] for one in twin.description["layers"] if one["name"] not in aside)


def _why_not_pruned(one: Kernel, method: Method) -> str:
    """Why a kernel cannot have the pattern that is asked for; empty where it can."""
    if not method.prunes_to_pattern:
        return ""
    if one.kind not in WITH_PATTERN:
        return f"not pruned, a {one.kind} has no pattern {PATTERN}"
    if one.shape[-2] % GROUP:
        return f"not pruned, its {one.shape[-2]} input channels do not come in fours"
    return ""


def _why_not_clustered(one: Kernel, method: Method) -> str:
    if method.cluster is None or one.size > method.cluster:
        return ""
    return f"not clustered, it has no more than {one.size} values"


def _listed(left: dict[str, str], twin: Twin) -> str:
    if not left:
        return "the network has no kernel that could be"
    return "; ".join(f"{twin.names[layer]}: {why}" for layer, why in list(left.items())[:5])


def _hint(left: dict[str, str]) -> str:
    """What to do about layers that are left alone for where they lie."""
    ends = any(why in (FIRST, LAST) for why in left.values())
    return "; --first-and-last compresses these too" if ends else ""
