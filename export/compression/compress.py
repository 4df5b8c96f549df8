"""The whole way: a Keras 3 model to its twin, compressed, and back, with a record of it all."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.compression import facts
from export.compression.content import DENSE, PATTERN, SCHEMA, UNSTRUCTURED
from export.compression.layers import Chosen, choose_layers
from export.compression.method import Method
from export.compression.place import publish, refuse_foreign
from export.compression.twin import Twin, describe
from export.errors import ExportError
from export.lanes import make, run_in_lane
from export.observe.model import canonical_sha256
from export.observe.probes import probes
from export.progress import DONE, Progress, silent
from export.results import REORDERED

LANE, SCRIPT = "tfmot", "compress.py"
COUNT = 4  # probes; the twin differs on all of them or on none


@dataclass(frozen=True)
class Compressed:
    """A network that was compressed: where it lies, and what its compression.json holds."""

    path: Path
    content: dict
    left: dict[str, str]  # layers that were left alone, and why


def compress_model(
    model, method: Method, out: str | Path, *, seed: int = 0, progress: Progress = silent
) -> Compressed:
    """Compress a Keras `model` as `method` says, and write it to `<out>/<model.name>.keras`.

    The model itself gets the compressed weights once all went well. Raises ValueError for a model
    that has no twin in Keras 2, or where nothing is left to compress, and ExportError where this
    machine cannot do it or the twin is not the same network.
    """
    twin = describe(model)
    chosen = choose_layers(twin, method)
    goal = Path(out) / f"{model.name}.keras"
    refuse_foreign(goal)
    make(LANE, progress)
    before = canonical_sha256(model)
    images = probes(tuple(twin.description["image"]), seed, COUNT)
    logits = _logits(model, images)
    progress(model.name, "compressing its twin in Keras 2")
    changed = _in_lane(twin, chosen, method, images, logits)
    _take_back(model, twin, changed, images)
    content = {
        "schema": SCHEMA,
        "method": method.as_dict(),
        "layers": [_entry(twin, chosen, method, one) for one in chosen.kernels],
        "accuracy": None,
        "sha256": {"before": before, "after": canonical_sha256(model)},
    }
    publish(model, json.dumps(content, indent=1) + "\n", goal)
    progress(model.name, DONE)
    return Compressed(goal, content, {twin.names[layer]: why for layer, why in chosen.left.items()})


def _in_lane(twin: Twin, chosen: Chosen, method: Method, images, logits) -> dict:
    """The arrays that the lane's script answers with, once the twin is known to be the same."""
    job = {
        "description": twin.description,
        "method": method.as_dict(),
        "weights": chosen.weights(),
    }
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
        arrays = {**twin.weights(), "probes": images}
        answer, made = run_in_lane(
            LANE, SCRIPT, job, arrays, Path(scratch), about="the compression"
        )
    if answer["difference"] != 0:
        raise ExportError(
            f"the twin in Keras 2 does not hold the model's weights: they differ by "
            f"{answer['difference']:.1e}; please report this with the model"
        )
    _compare("the twin in Keras 2", made.pop("before"), logits)
    return made


def _take_back(model, twin: Twin, changed: dict, images) -> None:
    """Give the model its new weights, and see that it computes what its twin computes with them."""
    after = changed.pop("after")
    kept = {}
    for key, values in changed.items():
        layer, _, own = key.partition("|")
        variable = twin.variables(layer)[own]
        kept[key] = np.asarray(variable.value).copy()
        variable.assign(values)
    try:
        _compare("the compressed model", _logits(model, images), after)
    except ExportError:
        for key, values in kept.items():
            layer, _, own = key.partition("|")
            twin.variables(layer)[own].assign(values)
        raise


def _compare(what: str, logits: np.ndarray, wanted: np.ndarray) -> None:
    """Raise ExportError unless `logits` are `wanted` but for sums made in another order."""
    spread = float(wanted.std()) or 1.0
    worst = float(np.abs(logits - wanted).max()) / spread
    if not worst <= REORDERED.fixed:  # NaN is wrong too
        raise ExportError(
            f"{what} gives other logits: they are off by {worst:.1e} standard deviations, and "
            f"{REORDERED.fixed:g} is allowed; please report this with the model"
        )


def _logits(model, images: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.asarray(model(images[at : at + 1], training=False)) for at in range(len(images))]
    )


def _entry(twin: Twin, chosen: Chosen, method: Method, one) -> dict:
    """What compression.json says of one kernel."""
    values = np.asarray(twin.variables(one.layer)[one.weight].value)
    shown = facts.look(values)
    pruned = one in chosen.prune
    pattern = UNSTRUCTURED if pruned else DENSE
    if pruned and shown.pattern and method.prunes_to_pattern:
        pattern = PATTERN
    name = twin.names[one.layer]
    entry = {
        "name": name,
        "weight": f"{name}/{one.weight}",
        "sparsity": shown.sparsity,
        "pattern": pattern,
        "distinct": shown.distinct or facts.count_distinct(values),
    }
    return entry | ({"left": chosen.left[one.layer]} if one.layer in chosen.left else {})
