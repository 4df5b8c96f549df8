"""The content of a report.json, with everything that a page can show."""

import copy

BINS = 24


def content(model="vgg13", format="onnx", *, parity=3.8e-6, passed=True, size=532_178_432):
    """A report whose parity measured `parity`; `passed` false fails that check."""
    checks = [
        _check("params", 133_047_848, 133_047_848, note="total 133,047,848"),
        _check("weights", 0, 0, "tensors", "26 tensors, each found once by its hash"),
        _check("contract", 0, 0, "differences", "ran in batches of 1, 3, 4"),
        {
            **_check("parity", parity, 1e-4, "std", "top-1 equal on 8 of 8"),
            "status": "passed" if passed else "failed",
            "details": _details(parity),
        },
        {"name": "engine", "status": "skipped", "measured": None, "allowed": None, "unit": "",
         "note": "needs a GPU; run tools/verify.py on a machine that has one"},
        {
            **_check("fp16-range", 9.85, 65504.0, "", "largest at conv1_1"),
            "details": {"layers": [_range(index) for index in range(12)]},
        },
    ]  # fmt: skip
    return {
        "schema": 1,
        "model": model,
        "format": format,
        "passed": passed,
        "weights": {"source": "seeded:0", "sha256": "3d7b" * 16},
        "options": {"classes": 1000, "image": [224, 224, 3], "flavour": "paddle", "seed": 0},
        "artifact": {"bytes": size, "files": {"model.onnx": "ca27" * 16}},
        "checks": checks,
        "cost": {"wall_s": 21.4, "cpu_s": 30.1, "peak_rss_bytes": 1_900_000_000},
        "environment": {"python": "3.11.7", "tensorflow": "2.21.0"},
        "command": ["python", "tools/export.py", "--model", model, "--format", format],
    }


def plain():
    """A report as the first version of the toolkit wrote it: no check has details."""
    told = copy.deepcopy(content())
    for check in told["checks"]:
        check.pop("details", None)
    return told


def _check(name, measured, allowed, unit="", note=""):
    return {"name": name, "status": "passed", "measured": measured, "allowed": allowed,
            "unit": unit, "note": note}  # fmt: skip


def _details(worst: float) -> dict:
    edges = [worst * 10 ** (4 * (index / BINS - 1)) for index in range(BINS + 1)]
    return {
        "errors": {"values": 8000, "median": worst / 5, "p99": worst / 1.5, "edges": edges,
                   "counts": [index * (BINS - index) for index in range(BINS)], "smaller": 3},
        "noise": 1.1e-6,
        "smallest_bug": {"name": "one bias off by 1 %", "measured": 3.1e-3},
        "power": {"caught": 12, "of": 13, "missed": ["6-bit weights"]},
        "mutants": [
            {"name": "classes reversed", "effect": 4.1, "caught_by": ["parity", "weights"]},
            {"name": "one bias off by 1 %", "effect": 3.1e-3, "caught_by": ["parity"]},
            {"name": "6-bit weights", "effect": 2e-2, "caught_by": []},
            {"name": "wrong epsilon", "effect": 0.0, "caught_by": [], "note": "no batch-norm here"},
        ],
        "layers": [{"name": f"conv{stage}_{conv}", "node": f"conv{stage}_{conv}/BiasAdd:0",
                    "error": worst * stage / 5} for stage in range(1, 6) for conv in (1, 2)],
    }  # fmt: skip


def _range(index: int) -> dict:
    return {"name": f"layer{index}", "largest": 0.5 + index % 7, "subnormal": 1e-4 * (index % 3)}
