"""What a server answered, as people and programs read it."""

import json
import sys
from pathlib import Path


def print_pictures(answers, broken, seconds: float, as_json: bool) -> int:
    """Print the outcome of all; errors of `broken` pictures have been printed before."""
    from export.serving.client.load_test import percentiles

    good = [answer for answer in answers if answer.error is None]
    times = percentiles(answer.seconds for answer in good)
    rate = len(good) / seconds
    if as_json:
        print(json.dumps(_pictures([*broken, *answers], times, rate)))
    else:
        for answer in good:
            for path, guesses in zip(answer.request, answer.result, strict=True):
                print(path)
                for guess in guesses:
                    print(f"  {guess.probability:.4f}  {guess.label}")
        print(_speed(len(good), len(answers) + len(broken), rate, times))
    for answer in answers:
        if answer.error is not None:
            print(f"error: {', '.join(map(str, answer.request))}: {answer.error}", file=sys.stderr)
    return 0 if len(good) == len(answers) and not broken else 1


def _pictures(answers, times: dict, rate: float) -> dict:
    rows = []
    for answer in answers:
        error = None if answer.error is None else str(answer.error)
        results = answer.result or [[] for _ in answer.request]
        for path, guesses in zip(answer.request, results, strict=True):
            rows.append({"path": str(path), "guesses": [vars(g) for g in guesses], "error": error})
    return {"pictures": rows, "latency_ms": times, "requests_per_s": rate}


def print_outcome(outcome, as_json: bool) -> int:
    """Print an outcome of `export.serving.client.arrays`; return the exit status."""
    from export.serving.client.load_test import percentiles

    failed = [answer for answer in outcome.answers if answer.error is not None]
    good = len(outcome.answers) - len(failed)
    times = percentiles(answer.seconds for answer in outcome.answers if answer.error is None)
    rate = good / outcome.seconds
    if as_json:
        print(json.dumps(_arrays(outcome, times, rate)))
    else:
        for name, values in outcome.outputs.items():
            print(f"{name}  {values.dtype} {tuple(values.shape)}{_range(values)}")
        print(_speed(good, len(outcome.answers), rate, times))
    for answer in failed:
        at = f"samples {answer.request.start} to {answer.request.stop - 1}"
        print(f"error: {at}: {answer.error}", file=sys.stderr)
    return 1 if failed else 0


def save_outputs(outcome, path: Path) -> None:
    """Write the outputs to an .npz, an array for each by its name; texts as numpy's own."""
    import numpy as np

    arrays = {
        name: values.astype(str) if values.dtype.kind == "O" else values
        for name, values in outcome.outputs.items()
    }
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _speed(good: int, asked: int, rate: float, times: dict) -> str:
    latency = ", ".join(f"{name} {value:.1f} ms" for name, value in times.items())
    return f"{good} of {asked} requests answered, {rate:.1f}/s; {latency or 'none'}"


def _range(values) -> str:
    return "" if values.dtype.kind in "OUb" else f"  {values.min():.6g} to {values.max():.6g}"


def _arrays(outcome, times: dict, rate: float) -> dict:
    return {
        "outputs": {
            name: {"dtype": str(values.dtype), "shape": list(values.shape), "values": listed}
            for name, values in outcome.outputs.items()
            for listed in [values.tolist()]
        },
        "errors": [str(one.error) for one in outcome.answers if one.error is not None],
        "latency_ms": times,
        "requests_per_s": rate,
    }
