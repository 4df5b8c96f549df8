"""What the signature `classify` of an artifact was made of, kept beside its graph.

`assets.extra/classify.json` in the version folder, where TensorFlow Serving looks for nothing but
its warm-up, holds the recipe for pictures and the label of each class.
"""

import json
from pathlib import Path
from types import SimpleNamespace

FILE = Path("assets.extra", "classify.json")
RECIPE = ("crop", "short", "mean", "std", "resample")


def write_description(version: Path, recipe, labels) -> None:
    """Write it into the folder of a version."""
    (version / FILE).parent.mkdir(exist_ok=True)
    told = {"recipe": {name: getattr(recipe, name) for name in RECIPE}, "labels": list(labels)}
    (version / FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_description(version: Path):
    """The recipe and the labels in the folder of a version, or None where there are none."""
    try:
        told = json.loads((version / FILE).read_text(encoding="utf-8"))
        return SimpleNamespace(**told["recipe"]), tuple(told["labels"])
    except FileNotFoundError:
        return None
