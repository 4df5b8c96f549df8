"""What the Keras model itself says: the standard that every artifact is held against."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import numpy as np

from export.child import in_a_line
from export.contract import Batch
from export.formats import ALL, Format
from export.formats.base import Found
from export.memory import give_memory_back, unmap_libraries
from export.observe.base import Reference
from export.observe.layers import run_model
from export.observe.noise import NoiseError
from export.observe.probes import other_lengths
from export.observe.weights import (
    beyond_float16,
    canonical_sha256,
    float16_loss,
    totals,
)
from export.results import REORDERED
from export.skeleton.channels import channel_axes
from export.skeleton.fold import norms
from export.skeleton.graph import BATCH_NORMS, all_nodes
from export.skeleton.pour import digest
from export.skeleton.stores import FLOAT32
from export.wording import listed


def observe_model(
    model,
    skeleton,
    inputs: Batch,
    formats: Iterable[Format] | None = None,
    keep: Iterable[str] = (),
    *,
    seed: int = 0,
    noise: bool = True,
) -> Reference:
    """Run `model` on `inputs` and take down everything that an artifact must agree with.

    Artifacts of `formats`, by default of all, can be held against what comes back. Layers in
    `keep`, and those that 16 bits cannot hold, are not rounded where rounding is simulated. Where
    axes are free, further inputs of `seed` are run that are of other lengths. Without `noise` that
    is left to `with_noise`.
    """
    formats = tuple(ALL if formats is None else formats)
    unmap_libraries()  # of which importing and building reads far more than running does
    with ThreadPoolExecutor(1) as beside:  # hashing lets go of Python, and takes one processor
        kept, sha256 = (
            beside.submit(_weights, skeleton, formats),
            beside.submit(canonical_sha256, model),
        )
        outputs, layers = run_model(model, skeleton.contract, inputs)
        resized, resized_outputs, untaken = _resized(model, skeleton, inputs, seed)
    seen = Reference(
        name=skeleton.name,
        contract=skeleton.contract,
        totals=totals(model),
        sha256=sha256.result(),
        **kept.result(),
        inputs=inputs,
        outputs=outputs,
        resized=resized,
        resized_outputs=resized_outputs,
        endings=skeleton.endings,
        layers=layers,
        norms=tuple(norms(model)),
        warnings=(*_doubts(skeleton, outputs), *_one_length(skeleton, resized, untaken)),
        constants=frozenset(map(digest, _constants(skeleton.graph, formats))),
        batch_norms=sum(node.op in BATCH_NORMS for node in all_nodes(skeleton.graph)),
        graph=skeleton.graph.SerializeToString(),
    )
    give_memory_back()  # of the model's activations; here, because a thread that does it beside
    # one that loads a library may take pages away that were just written
    return with_noise(seen, skeleton, formats, keep) if noise else seen


def with_noise(
    seen: Reference,
    skeleton,
    formats: Iterable[Format],
    keep: Iterable[str] = (),
    stop: Event | None = None,
) -> Reference:
    """Return what was `seen` with the noise that artifacts of `formats` are held against.

    Where it could not be measured a warning says that bounds are fixed without it. It may run in a
    thread, and is not finished there once `stop` is set.
    """
    from export.networks.moving import STOP
    from export.networks.noise import measure_noise

    names, kinds = [layer.name for layer in seen.layers], _kinds(formats)
    exact = frozenset([*keep, *beyond_float16(seen.layers, seen.float16, seen.norms)])
    before = STOP.set(stop)
    try:
        noise = measure_noise(skeleton, seen.inputs, names, seen.norms, kinds, exact, seen.outputs)
        return replace(seen, noise=noise)
    except NoiseError as error:
        return seen.warned(
            f"the network's own noise could not be measured, so bounds are fixed: {error}"
        )
    finally:
        STOP.reset(before)


def noise_bytes(seen: Reference, formats: Iterable[Format]) -> int:
    """Bytes of what layers give for one sample, if noise of `formats` is measured of them."""
    return seen.layer_bytes if _kinds(formats) - {REORDERED.kind} else 0


def _kinds(formats: Iterable[Format]) -> frozenset[str]:
    return frozenset().union(*(format.noises for format in formats))


def _resized(model, skeleton, inputs: Batch, seed: int) -> tuple[Batch, Batch, str]:
    """Inputs of other lengths along free axes that the model takes, and its outputs on them.

    Both are empty where there is no free axis, or the model takes no other length that is tried;
    then the words of its error come last.
    """
    why = ""
    for others in other_lengths(skeleton, seed, inputs):
        try:
            return others, run_model(model, skeleton.contract, others)[0], ""
        except MemoryError:
            raise
        except Exception as error:  # Keras raises what it likes for what it does not take
            why = in_a_line(error)
    return {}, {}, why


def _one_length(skeleton, resized: Batch, why: str) -> list[str]:
    free = skeleton.contract.free
    if not free or resized:
        return []
    return [
        f"compared at one length of {listed(free)} alone, because the model takes no other that "
        "was tried" + (f" ({why})" if why else "")
    ]


def _weights(skeleton, formats: tuple[Format, ...]) -> dict:
    """Return what a Reference says of the weights, each of which is read once."""
    found, float16, stored, vectors = [], [], {format.name: [] for format in formats}, {}
    axes = channel_axes(skeleton)
    for weight in skeleton.weights:
        values = weight.read()
        found.append(Found(weight.name, weight.shape, digest(values)))
        if values.ndim == 1:
            vectors[weight.name] = values
        float16.append(float16_loss(weight.name, values))
        for format in formats:
            how = format.store(values, axes.get(weight.name, ()))
            same = how == FLOAT32
            other = found[-1] if same else replace(found[-1], sha256=how.digest(values))
            stored[format.name].append(other)
    return {
        "weights": tuple(found),
        "float16": tuple(float16),
        "stored": {name: tuple(kept) for name, kept in stored.items()},
        "vectors": vectors,
    }


def _constants(graph, formats: Iterable[Format]) -> Iterator[np.ndarray]:
    """Yield every float constant of a traced network, in each order of axes that converters use.

    Means and scales of a preprocessing layer, for example; also as each format stores it.
    """
    from tensorflow import make_ndarray

    for node in graph.node:
        if node.op == "Const" and node.attr["dtype"].type == 1:
            values = make_ndarray(node.attr["value"].tensor)
            for held in (values, *(format.constant(values).rounded(values) for format in formats)):
                yield held
                if held.ndim > 2:
                    yield np.moveaxis(held, -1, -3)  # channels before rows and columns


def _doubts(skeleton, outputs: Batch) -> list[str]:
    """Return reasons why the inputs may be unlike those that the network is used on."""
    found = []
    if skeleton.takes.unknown:
        found.append(
            f"{skeleton.takes.unknown[0]} rescales what it is given, and the probes do not take "
            "that into account; compare on images of your own too"
        )
    if not skeleton.contract.classifier:
        return found
    (logits,) = outputs.values()
    if logits.shape[1] > 1 and len(logits) > 1 and len(set(logits.argmax(axis=1))) == 1:
        found.append(
            f"the model takes all {len(logits)} images compared for one class, so they may be "
            "unlike those that it knows; compare on images of your own too"
        )
    return found
