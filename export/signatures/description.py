"""classify.json: the recipe for pictures and the labels that the signature `classify` is made of.

It lies in `assets.extra` of the version folder, where TensorFlow Serving reads only its warm-up.
"""

import json
from pathlib import Path
from types import SimpleNamespace

from export.errors import ArtifactError
from export.files import read_bounded

FILE = Path("assets.extra", "classify.json")
LARGEST = 64 << 20  # bytes; ImageNet-21k's 21,841 names take 1 MB
MOST_PIXELS = 8192  # of a side, as the recipe resizes a picture
ORDER, RGB = "order", "rgb"  # of channels, and the usual one
RECIPE = ("crop", "short", "mean", "std", "resample")


def write_description(version: Path, recipe, labels) -> None:
    """Write classify.json into the folder of a version."""
    (version / FILE).parent.mkdir(exist_ok=True)
    entry = {name: getattr(recipe, name) for name in RECIPE}
    if getattr(recipe, ORDER, RGB) != RGB:
        entry[ORDER] = recipe.order
    content = {"recipe": entry, "labels": list(labels)}
    (version / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_description(version: Path):
    """Return the recipe and the labels in the folder of a version, or None without classify.json.

    Raises ArtifactError if `write_description` cannot have written the file.
    """
    file = version / FILE
    try:
        data = read_bounded(file, LARGEST)
    except FileNotFoundError:
        return None
    try:
        content = json.loads(data)
        entry = {ORDER: RGB, **content["recipe"]}
        recipe = SimpleNamespace(**{name: entry[name] for name in (*RECIPE, ORDER)})
        labels = tuple(content["labels"])
        pixels = 0 < int(recipe.crop) <= int(recipe.short) <= MOST_PIXELS
        if not pixels or not all(isinstance(label, str) for label in labels):
            raise ValueError("a size or a label that is none")
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise ArtifactError(f"{file} does not describe `classify`; export it again") from error
    return recipe, labels
