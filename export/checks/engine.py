"""Does the TensorRT engine itself compute what the model computes?

TensorFlow runs the native segment, in FP32, where an engine cannot be built or run, and FP32 logits
pass any bound of FP16. So logits count only where TensorFlow's cache holds an engine for them.
"""

from dataclasses import replace

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import bound
from export.checks.outputs import judge_outputs
from export.contract import part, rows
from export.observe.engine import Batches, EngineRun
from export.results import Check, Status, skipped, verdict
from export.wording import counted, listed

EVIDENCE = "engines that TensorFlow's cache held"


def engine(trial: Trial) -> Check | None:
    """Compare the logits of each served batch size on its own; None for formats without engines.

    Skipped where this machine cannot run an engine, or nothing shows that one ran. Failed where
    there is a GPU and an engine is not built, does not run, or gives other logits.
    """
    if not trial.format.engine_rule:
        return None
    run = trial.engine
    if run is None or run.unable:
        return skipped("engine", run.unable if run else "not asked for")
    allowed = bound(trial.reference.noise, trial.format.engine_rule)
    reason, why = _unproven(trial, run)
    compared = [_compare(trial, batches) for batches in run.batches]
    wrong = [check for check in compared if check.status is Status.FAILED]
    if why and not wrong:
        details = {"reason": reason, **_facts(run, compared)}
        return verdict("engine", False, None, allowed.allowed, "std", f"on a GPU; {why}", details)
    worst = max(wrong or compared, key=_size_of_error)
    if run.uncounted and not wrong:
        why = f"the {_called(trial)} are right, but not known to be an engine's: {run.uncounted}"
        return replace(skipped("engine", why), details=_facts(run, compared))
    note = "; ".join(filter(None, ["on a GPU", _built(run), worst.note]))
    details = {**worst.details, **_facts(run, compared)}
    return replace(worst, note=note, details=details)


def _unproven(trial: Trial, run: EngineRun) -> tuple[str, str]:
    """Return a word and a sentence on what no engine ran; both are empty if all was run by one."""
    if run.failed:
        return "error", run.failed
    missing = sorted(set(trial.batch_sizes) - {batches.size for batches in run.batches})
    if missing:
        return "error", f"no {_called(trial)} in batches of {listed(missing)}"
    without = [batches.size for batches in run.batches if not _has_engine(batches)]
    if without and not run.uncounted:
        sizes = listed(sorted(without))
        why = f"no engine was built for batches of {sizes}, so the {_called(trial)} are FP32's"
        return "no-engine", why
    return "", ""


def _called(trial: Trial) -> str:
    return trial.reference.contract.called


def _has_engine(batches: Batches) -> bool:
    """Tell whether every engine node has an engine that is large enough for these batches."""
    return bool(batches.engines) and all(
        any(built >= batches.size for built in sizes) for sizes in batches.engines.values()
    )


def _compare(trial: Trial, batches: Batches) -> Check:
    """Compare whole batches, which repeat the probes until they are full."""
    own = trial.reference.outputs
    wanted = part(own, np.arange(rows(batches.outputs)) % rows(own))
    note = f"worst in batches of {batches.size}: "
    rule = trial.format.engine_rule
    return judge_outputs("engine", trial, wanted, batches.outputs, rule, note)


def _size_of_error(check: Check) -> float:
    """Return the error to sort by, which is infinite if none could be measured."""
    return np.inf if check.measured is None or np.isnan(check.measured) else check.measured


def _built(run: EngineRun) -> str:
    """Say how many engines there were at the end, and how that is known."""
    if run.uncounted:
        return f"engines not counted: {run.uncounted}"
    held = run.batches[-1].engines
    sizes = sorted({size for sizes in held.values() for size in sizes})
    built = counted(sum(map(len, held.values())), "engine")
    return f"{built} built, for batches of {listed(sizes)}" if sizes else f"{built} built"


def _facts(run: EngineRun, compared: list[Check]) -> dict:
    """Return what the report keeps beside the verdict: an entry for each batch size."""
    entries = [
        {
            "size": batches.size,
            "error": check.measured if np.isfinite(_size_of_error(check)) else None,
            "first_s": batches.seconds,
            "engines": batches.engines,
        }
        for batches, check in zip(run.batches, compared, strict=True)
    ]
    return {"batches": entries, "evidence": EVIDENCE}
