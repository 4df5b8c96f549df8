"""The whole way: a Keras 3 model to its twin, compressed, and back, with a record of it all."""

import shutil
import tempfile
from collections import ChainMap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.compression import facts
from export.compression.asking import LANE, ask_lane, interruptible, make_plan, shown
from export.compression.content import DENSE, PATTERN, SCHEMA, UNSTRUCTURED
from export.compression.layers import Chosen, choose_layers
from export.compression.likeness import Likeness
from export.compression.method import Method
from export.compression.place import publish, refuse_foreign
from export.compression.resuming import FOLDER, can_go_on, forget_unbegun, prepare_checkpoint
from export.compression.training import Lessons, Training
from export.compression.twin import Twin, describe
from export.contract import GIVEN, Batch, Classifier, Contract, prefixed
from export.errors import AccuracyLost, ExportError, Shortage
from export.lanes import make
from export.memory import give_memory_back
from export.observe.weights import canonical_sha256
from export.progress import DONE, Progress, silent

BEFORE, AFTER = "before/", "after/"  # begin the names of outputs, as the lane's script has them
POINTS = 0.05  # of accuracy that may be lost, unless another limit is given


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A network that was compressed: where it lies, and what its compression.json holds."""

    path: Path
    content: dict
    left: dict[str, str]  # layers that were left alone, and why
    interrupted: str = ""  # the stage and epoch in which a training was
    quantised: np.ndarray | None = None  # logits of tfmot's own int8 network on what was held out


@dataclass(frozen=True)
class _Asked:
    """A compression under way."""

    method: Method
    twin: Twin
    chosen: Chosen
    out: Path


def compress_model(
    model,
    method: Method,
    out: str | Path,
    *,
    lessons: Lessons | None = None,
    training: Training | None = None,
    progress: Progress = silent,
) -> Compressed:
    """Compress a Keras `model` as `method` says, and write it to `<out>/<model.name>.keras`.

    With `lessons` it is trained on the way as `training` says, and its accuracy measured; without,
    all is done in one shot. The model itself gets the compressed weights once all went well. Raises
    ValueError for a model that has no twin in Keras 2, for pictures that do not fit it, or where
    nothing is left to compress; AccuracyLost where too little accuracy is left; and ExportError
    where this machine cannot do it or the twin is not the same network.
    """
    training, twin = training or Training(), describe(model)
    asked = _Asked(method, twin, choose_layers(twin, method), Path(out))
    if method.qat and lessons is None:
        raise ValueError("quantisation-aware training needs pictures; give --images")
    if lessons is not None:
        _check_lessons(lessons, twin, model)
    goal = asked.out / f"{model.name}.keras"
    refuse_foreign(goal)
    make(LANE, progress)
    before = canonical_sha256(model)
    with _work_folder(asked.out) as scratch:
        likeness = Likeness(model, training.seed)
        answer, changed = _in_lane(asked, model, likeness, scratch, (lessons, training), progress)
        rounded = changed.pop("quantised", None)
        try:
            _refuse_loss(answer.get("accuracy"), training)
        except AccuracyLost:
            _forget(asked.out, answer)  # to go on would come to the same
            raise
        _take_back(model, twin, changed, likeness, training.seed)
        content = publish(model, _content(asked, model, before, answer), goal)
    if lessons is not None:
        _forget(asked.out, answer)
    progress(model.name, DONE)
    left = {twin.names[layer]: why for layer, why in asked.chosen.left.items()}
    return Compressed(
        path=goal,
        content=content,
        left=left,
        interrupted=answer.get("interrupted", ""),
        quantised=rounded,
    )


def classifier_of(contract: Contract, name: str) -> Classifier:
    """Return the classifier that a model is by its contract; ValueError for any that cannot be
    trained here.
    """
    if contract.classifier is None:
        raise ValueError(
            f"training is of classifiers of pictures, one image in and one row of logits out, and "
            f"{name} is none; leave --images out to compress it in one shot"
        )
    return contract.classifier


def _check_lessons(lessons: Lessons, twin: Twin, model) -> None:
    """Raise ValueError unless these are lessons for `model`."""
    classifier = classifier_of(twin.contract, model.name)
    lessons.check(classifier.image, classifier.classes)


def _forget(out: Path, answer: dict) -> None:
    """Remove the checkpoint of a training that came to its end: never a folder of the user's."""
    if not answer.get("interrupted"):
        shutil.rmtree(out / FOLDER, ignore_errors=True)


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """Give a folder within `out`, gone at the end with all that is new above it and empty."""
    new = [path for path in (out.absolute(), *out.absolute().parents) if not path.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".compressing-", dir=out) as folder:
            yield Path(folder)
    finally:
        with suppress(OSError):  # what was made lies in it
            for path in new:
                path.rmdir()


def _in_lane(
    asked: _Asked, model, likeness: Likeness, scratch: Path, taught: tuple, progress: Progress
):
    """The answer of the lane's script, and its arrays, once the twin is known to be the same."""
    lessons, training = taught
    weights, others, plan = asked.twin.weights(), prefixed(likeness.probes, GIVEN), None
    outputs = likeness.outputs(model)
    with ExitStack() as stack:
        if lessons is not None:
            checkpoint = _checkpoint(asked, training, lessons, weights)
            stack.callback(forget_unbegun, checkpoint)
            plan, labels = make_plan(asked.twin, training, lessons, checkpoint, scratch)
            others |= labels
            stack.enter_context(interruptible(Path(plan["stop"])))
            stack.enter_context(shown(Path(plan["told"]), model.name, progress))
        progress(model.name, "compressing its twin in Keras 2")
        give_memory_back()  # of building the model, before the child takes its own
        try:
            answer, made = ask_lane(
                asked.twin, asked.chosen, asked.method, ChainMap(others, weights), scratch, plan
            )
        except Shortage as error:
            after = "; then --resume goes on" if plan and can_go_on(checkpoint) else ""
            raise Shortage(f"{error}{after}") from error
    if answer["difference"] != 0:
        raise ExportError(
            f"the twin in Keras 2 does not hold the model's weights: they differ by "
            f"{answer['difference']:.1e}; please report this with the model"
        )
    if other := likeness.difference(_taken(made, BEFORE), outputs):
        raise ExportError(f"the twin in Keras 2 gives {other}; please report this with the model")
    return answer, made


def _taken(arrays: dict, prefix: str) -> Batch:
    """Take the outputs whose names begin with `prefix` out of `arrays`."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _checkpoint(asked: _Asked, training: Training, lessons: Lessons, weights) -> Path:
    """The folder of the checkpoint, for a run of just these things."""
    known = {
        "method": asked.method.as_dict(),
        "weights": asked.chosen.weights(),
        "training": training.as_dict(),
        "sums": {key: float(values.sum(dtype=np.float64)) for key, values in weights.items()},
        "pictures": [len(lessons.train.labels), len(lessons.held_out.labels)],
    }
    size = sum(values.nbytes for values in weights.values())
    return prepare_checkpoint(asked.out, known, training, size)


def _refuse_loss(accuracy: dict | None, training: Training) -> None:
    """Raise AccuracyLost where less accuracy is left than was asked for."""
    if accuracy is None:
        return
    least = training.min_accuracy
    if least is None:
        least = accuracy["before"] - POINTS
    if accuracy["after"] < least:
        how = "fell" if accuracy["after"] < accuracy["before"] else "went"
        raise AccuracyLost(
            f"the accuracy {how} from {accuracy['before']:.1%} to {accuracy['after']:.1%}, below "
            f"{least:.1%}, so nothing was written; train longer with --epochs, compress less, or "
            "allow it with --min-accuracy"
        )


def _content(asked: _Asked, model, before: str, answer: dict) -> dict:
    """What compression.json holds of the model as it is now."""
    names = asked.twin.names  # the network's input and output are called the same here
    ranges = {names.get(name, name): pair for name, pair in answer.get("ranges", {}).items()}
    return {
        "schema": SCHEMA,
        "method": asked.method.as_dict(),
        "layers": [_entry(asked, one, ranges) for one in asked.chosen.kernels],
        **({"ranges": ranges} if ranges else {}),
        "accuracy": answer.get("accuracy"),
        "sha256": {"before": before, "after": canonical_sha256(model)},
    }


def _take_back(model, twin: Twin, changed: dict, likeness: Likeness, seed: int) -> None:
    """Give the model its new weights, and see that it computes what its twin computes with them."""
    after, kept = _taken(changed, AFTER), {}
    for key in list(changed):
        variable = _variable(twin, key)
        kept[key] = np.asarray(variable.value).copy()
        variable.assign(changed.pop(key))  # so that no weight is held twice for long
    other = likeness.difference(likeness.outputs(model), after)
    if other:  # the noise of its new weights may be larger
        again = Likeness(model, seed)
        other = again.difference(again.outputs(model), after)
    if other:
        for key, values in kept.items():
            _variable(twin, key).assign(values)
        raise ExportError(
            f"the compressed model gives {other} than its twin; please report this with the model"
        )


def _variable(twin: Twin, key: str):
    layer, _, own = key.partition("|")
    return twin.variables(layer)[own]


def _entry(asked: _Asked, one, ranges: dict) -> dict:
    """What compression.json says of one kernel."""
    twin, chosen = asked.twin, asked.chosen
    values = np.asarray(twin.variables(one.layer)[one.weight].value)
    shown = facts.look(values)
    pruned = one in chosen.prune
    pattern = UNSTRUCTURED if pruned else DENSE
    if pruned and shown.pattern and asked.method.prunes_to_pattern:
        pattern = PATTERN
    name = twin.names[one.layer]
    entry = {
        "name": name,
        "weight": f"{name}/{one.weight}",
        "sparsity": shown.sparsity,
        "pattern": pattern,
        "distinct": shown.distinct or facts.count_distinct(values),
    }
    entry |= {"range": ranges[name]} if name in ranges else {}
    return entry | ({"left": chosen.left[one.layer]} if one.layer in chosen.left else {})
