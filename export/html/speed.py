"""The page of a benchmark: tables and figures of what `tools/benchmark.py` measured."""

import base64
import hashlib
import shlex
from collections.abc import Iterable, Sequence

from export.html.figures.of_speed import across_models, of_model
from export.html.page import POLICY, TEMPLATES, environment
from export.html.records import benchmark
from export.wording import counted


def render(records: Iterable[dict], command: Sequence[str] = ()) -> str:
    """Return the page; whatever `records` hold is escaped. `command` is what wrote it.

    `records` are those of `export.benchmark.run.benchmark`, or read from files.
    """
    found = benchmark(records)
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    measured = [speed for speed in found.speeds if speed.median_ms is not None]
    return (
        environment()
        .get_template("speed.html.j2")
        .render(
            policy=f"{POLICY}; script-src 'sha256-{sha256}'",
            script=script,
            found=found,
            measured=len(measured),
            doubted=sum(not speed.valid for speed in measured),
            across=across_models(found),
            plots={model: of_model(found, model) for model in found.models},
            counted=counted,
            command=shlex.join(command),
        )
    )
