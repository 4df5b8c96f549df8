"""Is the graph what the format promises?"""

from collections.abc import Iterable
from dataclasses import replace

from export.checks.base import Trial
from export.contract import Tensor
from export.formats.names import ONNX, TFTRT
from export.results import Check, verdict
from export.wording import counted

MOST_TRANSPOSES = 2  # one to enter NCHW, one to leave it before a flatten
BATCH_NORMS = ("BatchNormalization", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def graph(trial: Trial) -> Check:
    """No batch-norm is left, and the format's promises are kept; JUDGES ask more of some kinds."""
    check, facts = _graph(trial), trial.observation.graph
    if "structure" not in facts:
        return check
    return replace(check, details={"structure": facts["structure"], "ops": facts["ops"]})


def _graph(trial: Trial) -> Check:
    facts = trial.observation.graph
    if not facts:
        return verdict("graph", False, None, None, note=trial.observation.error)
    ops = facts["ops"]
    norms = sum(ops.get(op, 0) for op in BATCH_NORMS)
    wrong = [f"{counted(norms, 'batch-norm')} left"] if norms else []
    wrong += [
        f"{name} {facts.get(name)} instead of {promised}"
        for name, promised in trial.format.promises.items()
        if facts.get(name) != promised
    ]
    judge = JUDGES.get(facts["kind"])
    if judge:
        return judge(trial, facts, wrong)
    return verdict("graph", not wrong, norms, 0, "batch-norms", "; ".join(wrong))


def _engines(trial: Trial, facts: dict, wrong: list[str]) -> Check:
    """Judge TF-TRT: one engine for the whole network, with room for each batch size."""
    engines, precision = facts["engines"], trial.format.precision.upper()
    outside = ", ".join(f"{n} {op}" for op, n in sorted(facts["outside"].items())) or "nothing"
    if engines != 1:
        wrong.append(f"{counted(engines, 'engine')} instead of one for the whole network")
    if engines and facts["precision"] != [precision]:
        wrong.append(f"engines of {', '.join(facts['precision'])} instead of {precision}")
    taken, given = (_shapes(side) for side in vars(trial.reference.contract).values())
    if engines == 1 and sorted(facts["takes"][0]) != sorted(taken):
        wrong.append(
            f"the engine takes inputs of shapes {facts['takes'][0]} instead of {_shown(taken)}, "
            "and runs others in FP32 without a word"
        )
    if engines == 1 and sorted(facts["gives"][0]) != sorted(given):
        wrong.append(f"the engine gives shapes {facts['gives'][0]} instead of {_shown(given)}")
    if facts["static"]:
        wrong.append("an engine built for one GPU")
    if engines and facts["cached_engines"] < len(trial.batch_sizes):
        room = counted(facts["cached_engines"], "engine")
        wrong.append(f"room for {room} and {counted(len(trial.batch_sizes), 'batch size')}")
    if facts["outside"]:
        first = facts["outside_first"]
        wrong.append(f"outside the engine, where no TensorRT runs: {outside}, first {first!r}")
    note = "; ".join(wrong) or f"outside the engine: {outside}"
    return verdict("graph", not wrong, engines, 1, "engines", note)


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
