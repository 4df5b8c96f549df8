"""What the signature `classify` of an artifact was made of, kept beside its graph.

`assets.extra/classify.json` in the version folder, where TensorFlow Serving looks for nothing but
its warm-up, holds the recipe for pictures and the label of each class.
"""

import json
from pathlib import Path
from types import SimpleNamespace

from export.errors import ArtifactError
from export.files import read_bounded

FILE = Path("assets.extra", "classify.json")
LARGEST = 64 << 20  # bytes; ImageNet-21k's 21,841 names take 1 MB
MOST_PIXELS = 8192  # of a side, as the recipe resizes a picture
RECIPE = ("crop", "short", "mean", "std", "resample")


def write_description(version: Path, recipe, labels) -> None:
    """Write it into the folder of a version."""
    (version / FILE).parent.mkdir(exist_ok=True)
    told = {"recipe": {name: getattr(recipe, name) for name in RECIPE}, "labels": list(labels)}
    (version / FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_description(version: Path):
    """The recipe and the labels in the folder of a version, or None where there are none.

    Raises ArtifactError where the file is not what `write_description` writes.
    """
    file = version / FILE
    try:
        data = read_bounded(file, LARGEST)
    except FileNotFoundError:
        return None
    try:
        content = json.loads(data)
        recipe = SimpleNamespace(**{name: content["recipe"][name] for name in RECIPE})
        labels = tuple(content["labels"])
        pixels = 0 < int(recipe.crop) <= int(recipe.short) <= MOST_PIXELS
        if not pixels or not all(isinstance(label, str) for label in labels):
            raise ValueError("a size or a label that is none")
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise ArtifactError(f"{file} does not describe `classify`; export it again") from error
    return recipe, labels
