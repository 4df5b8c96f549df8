"""The whole way, in one call each: export a model to artifacts, and verify one again.

`Export` and `Verification` are the same in two steps, for callers who let go of the model between
them.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from export.arguments import in_order, need_model
from export.checks import Expected
from export.exporting import Export
from export.formats.names import DEFAULT
from export.gate.examine import GateOptions
from export.options import Options
from export.progress import Progress, silent
from export.results import Report
from export.verifying import Verification

__all__ = ["Export", "Options", "Verification", "export_model", "verify"]


def export_model(
    model,
    formats: Iterable[str] = DEFAULT,
    out: str | Path = "exports",
    *,
    images: np.ndarray | None = None,
    expected: Expected | None = None,
    options: Options | None = None,
    progress: Progress = silent,
) -> list[Report]:
    """Write a Keras `model` in every one of `formats` under `out`, check it, and report.

    The model may take and give any number of tensors; artifacts keep its names for them, which for
    a classifier of pictures without names of its own are `image` and `logits`. Artifacts land in
    `<out>/<model.name>/<format>/`. They are compared on seeded probes and on `images`, as the model
    takes them: an array (n, ...) for its only input, or arrays by the names of inputs. The check
    `params` expects the counts that a network of the catalog carries, unless others are `expected`.
    Raises ValueError for arguments that make no sense and ExportError where this machine cannot do
    it; an artifact that fails a check is no exception but a report whose `passed` is false. Where
    one of several formats turns out to be impossible after the model was run, that is raised once
    the others are in their places.
    """
    need_model(model, "export_model")
    with Export(out, formats, progress=progress) as export:
        export.write(model, images=images, expected=expected, options=options)
        del model
        reports = export.judge()
    for error in export.unable.values():
        raise error
    return reports


def verify(
    model,
    folder: str | Path,
    *,
    images: np.ndarray | None = None,
    expected: Expected | None = None,
    compare_hashes: bool = True,
    wish: GateOptions | None = None,
    progress: Progress = silent,
) -> Report:
    """Check again, against the Keras `model` that it should be, the artifact in `folder`.

    The arguments come in the order of `export_model`; swapped ones are taken too, with a warning.
    Nothing is written. The check `hashes` compares every file, and the model's weights, with the
    report.json in `folder`. `images` are as in `export_model`. Raises ArtifactError where the
    folder cannot be read.
    """
    model, folder = in_order(model, folder)
    with Verification(folder, progress=progress) as verification:
        verification.observe(model, images=images, expected=expected)
        del model
        return verification.judge(compare_hashes=compare_hashes, gate=wish)
