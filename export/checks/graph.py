"""Is the graph what the format promises?"""

from collections.abc import Iterable
from dataclasses import replace

from export.checks.base import Trial
from export.contract import Tensor
from export.formats.names import ONNX, TFTRT
from export.results import EXPLICIT, Check, verdict
from export.skeleton.graph import BATCH_NORMS
from export.skeleton.keras_graph import scope
from export.wording import counted, listed

MOST_TRANSPOSES = 2  # one to enter NCHW, one to leave it before a flatten
NORMS = (*BATCH_NORMS, "BatchNormalization", "BatchNormInference")  # of all kinds of graphs
MOST_LAYERS = 3  # that a note names
PROFILE = "ImplicitBatchModeCompatible"
UNSEEN = "explicit batch, a form that no GPU has run here: docs/tftrt.md"
WHAT_TO_DO = (
    "write these layers otherwise, export to onnx, which TensorRT reads itself, or accept a part "
    "with --partial-engines"
)
NO_ENGINE = "TensorRT would do nothing; export to savedmodel or onnx"


def graph(trial: Trial) -> Check:
    """Each batch-norm is folded, and the format's promises are kept; JUDGES ask more of some kinds.

    The layers of a SavedModel are unseen, so that nothing is folded: its own are left.
    """
    check, facts = _graph(trial), trial.observation.graph
    if "structure" not in facts:
        return check
    return replace(
        check, details={**check.details, "structure": facts["structure"], "ops": facts["ops"]}
    )


def _graph(trial: Trial) -> Check:
    facts = trial.observation.graph
    if not facts:
        return verdict("graph", False, None, None, note=trial.observation.error)
    ops = facts["ops"]
    norms, own = sum(ops.get(op, 0) for op in NORMS), trial.reference.batch_norms
    wrong = [f"{counted(norms, 'batch-norm')} left"] if norms > own else []
    wrong += [
        f"{name} {facts.get(name)} instead of {promised}"
        for name, promised in trial.format.promises.items()
        if facts.get(name) != promised
    ]
    judge = JUDGES.get(facts["kind"])
    if judge:
        return judge(trial, facts, wrong)
    return verdict("graph", not wrong, norms, own, "batch-norms", "; ".join(wrong))


def _engines(trial: Trial, facts: dict, wrong: list[str]) -> Check:
    """Judge TF-TRT: one engine for the whole network, with room for each batch size.

    Where a part of the network is enough, several engines pass, and the note has their share.
    """
    engines, precision = facts["engines"], trial.format.precision.upper()
    if engines and facts["precision"] != [precision]:
        wrong.append(f"engines of {', '.join(facts['precision'])} instead of {precision}")
    if facts["static"]:
        wrong.append("an engine built for one GPU")
    if engines and facts["cached_engines"] < len(trial.batch_sizes):
        room = counted(facts["cached_engines"], "engine")
        wrong.append(f"room for {room} and {counted(len(trial.batch_sizes), 'batch size')}")
    if facts["batch"] == EXPLICIT and facts["profile"] != [PROFILE]:
        wrong.append(f"a profile {facts['profile']} instead of {PROFILE}, of one batch size alone")
    partial = engines != 1 or bool(facts["outside"])
    wrong += _misfits(trial, facts, partial)
    parts = _parts(trial, facts) if partial else f"outside the engine: {_harmless(facts)}"
    if partial and not (trial.partial_engines and engines):
        wrong.append(f"{parts}; {WHAT_TO_DO if engines else NO_ENGINE}")
    notes = wrong or [parts, *_form(facts)]
    return replace(
        verdict("graph", not wrong, engines, None if partial and not wrong else 1, "engines",
                "; ".join(notes)),
        details={"batch": facts["batch"], **({"share": _share(facts)} if partial else {})},
    )  # fmt: skip


def _misfits(trial: Trial, facts: dict, partial: bool) -> list[str]:
    """Say which engines take or give other shapes than they should, and so run in FP32."""
    found = []
    taken, given = (_shapes(side) for side in vars(trial.reference.contract).values())
    if not partial and sorted(facts["takes"][0]) != sorted(taken):
        found.append(
            f"the engine takes inputs of shapes {facts['takes'][0]} instead of {_shown(taken)}, "
            "and runs others in FP32 without a word"
        )
    if not partial and sorted(facts["gives"][0]) != sorted(given):
        found.append(f"the engine gives shapes {facts['gives'][0]} instead of {_shown(given)}")
    for shapes in facts["takes"] if partial else ():
        fixed = [shape for shape in shapes if not shape or shape[0] != -1]
        if fixed and facts["batch"] != EXPLICIT:
            found.append(
                f"an engine takes {fixed[0]}, which has no axis for the batch, so it runs in FP32"
            )
    return found


def _parts(trial: Trial, facts: dict) -> str:
    """Say how many engines there are, how much of the work is theirs, and what is outside."""
    engines, ops = facts["engines"], facts["outside"]
    said = f"{counted(engines, 'engine')} instead of one for the whole network"
    if engines == 1:
        said = "one engine for a part of the network"
    said += f", {_work(facts['macs'])}" if engines else ""
    if not ops:
        return said
    outside = ", ".join(f"{n} {op}" for op, n in sorted(ops.items()))
    return f"{said}; outside, where no TensorRT runs: {outside}, of {_layers(trial, facts)}"


def _harmless(facts: dict) -> str:
    """Say what of the network is outside and may be, because TensorRT takes no such inputs."""
    number = facts["casts"]
    return f"{counted(number, 'cast')} of inputs to floats" if number else "nothing"


def _layers(trial: Trial, facts: dict) -> str:
    """Return the names of the first layers that are outside: those of the model, where known."""
    scopes = {scope(layer.name): layer.name for layer in trial.reference.layers}
    found: dict[str, None] = {}
    for node in facts["outside_nodes"]:
        steps = node.split("/")
        above = ["/".join(steps[:n]) for n in range(len(steps), 0, -1)]
        found[next((scopes[path] for path in above if path in scopes), steps[0])] = None
    layers = list(found)
    more = f" and {len(layers) - MOST_LAYERS} more" if len(layers) > MOST_LAYERS else ""
    return ", ".join(layers[:MOST_LAYERS]) + more


def _work(macs: dict) -> str:
    lost = listed(macs["uncounted"]) if macs["uncounted"] else ""
    total = macs["inside"] + macs["outside"]
    if not total:
        return f"{lost} outside not counted" if lost else "which multiplies nothing"
    share = f"{100 * macs['inside'] / total:.1f} % of the MACs inside"
    return f"{share}, {lost} outside not counted" if lost else share


def _share(facts: dict) -> float | None:
    """The share of the multiply-accumulates that engines do; None where not all are counted."""
    macs = facts["macs"]
    total = macs["inside"] + macs["outside"]
    return macs["inside"] / total if total and not macs["uncounted"] else None


def _form(facts: dict) -> list[str]:
    """Say that the batch is explicit, because nobody has seen such an engine run."""
    return [UNSEEN] if facts["batch"] == EXPLICIT else []


def _shapes(tensors: Iterable[Tensor]) -> list[list[int]]:
    """Return the shapes of a contract as an engine has them: -1 for any size."""
    return [[-1, *(-1 if size is None else size for size in one.sizes)] for one in tensors]


def _shown(shapes: list) -> list:
    return shapes[0] if len(shapes) == 1 else shapes


def _onnx(trial: Trial, facts: dict, wrong: list[str]) -> Check:
    """Judge ONNX: the checker is content, and networks of the catalog have few transposes."""
    transposes = facts["ops"].get("Transpose", 0)
    if facts["checker"]:
        wrong.append(f"the checker says: {facts['checker']}")
    # What a model of one's own needs is not known: attention, for one, turns axes by itself.
    most = None if trial.expected.trainable is None else MOST_TRANSPOSES
    if most is not None and transposes > most:
        wrong.append(counted(transposes, "transpose"))
    note = "; ".join(wrong) or f"checker clean, opset {facts['opset']}"
    return verdict("graph", not wrong, transposes, most, "transposes", note)


JUDGES = {ONNX: _onnx, TFTRT: _engines}  # by the kind of an artifact
