"""compression.json: what was done to a network, and what its kernels show since."""

import json
import math
from pathlib import Path

from export.errors import ArtifactError
from export.files import read_bounded

NAME, SCHEMA = "compression.json", 1
LARGEST = 32 << 20  # bytes; a network of a thousand layers takes some hundred thousand
PATTERN, UNSTRUCTURED, DENSE = "2:4", "unstructured", "dense"
PATTERNS = (PATTERN, UNSTRUCTURED, DENSE)


def read_beside(model: Path) -> dict | None:
    """Return the compression.json beside the `.keras` file `model`; None where there is none.

    Raises ArtifactError where it is damaged, or of a schema that is not known.
    """
    path = Path(model).with_name(NAME)
    if not path.is_file():
        return None
    return read_compression(path)


def read_compression(path: Path) -> dict:
    """Return what the compression.json at `path` holds."""
    try:
        content = json.loads(read_bounded(path, LARGEST))
        check_content(content)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is no {NAME} of this toolkit: {error}; compress the network again"
        ) from error
    return content


def check_content(content) -> None:
    """Raise ValueError where `content` is not what a compression.json holds."""
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"it is not of schema {SCHEMA}")
    hashes, layers = content.get("sha256"), content.get("layers")
    if not isinstance(content.get("method"), dict) or not isinstance(layers, list):
        raise ValueError("it lacks the method or the layers")
    if not isinstance(hashes, dict) or not isinstance(hashes.get("after"), str):
        raise ValueError("it lacks the hash of the weights")
    for layer in layers:
        _check_layer(layer)
    ranges = content.get("ranges", {})
    if not isinstance(ranges, dict) or not all(map(_is_range, ranges.values())):
        raise ValueError("its ranges make no sense")


def _check_layer(layer) -> None:
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise ValueError("a layer has no name")
    share, distinct = layer.get("sparsity"), layer.get("distinct")
    fits = (
        isinstance(layer.get("weight"), str)
        and isinstance(share, int | float)
        and 0 <= share <= 1
        and layer.get("pattern") in PATTERNS
        and isinstance(distinct, int)
        and distinct > 0
    )
    if not fits:
        raise ValueError(f"what it says of layer {layer['name'][:60]!r} makes no sense")


def _is_range(pair) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(end, int | float) and math.isfinite(end) for end in pair)
        and pair[0] < pair[1]
    )


def learned_ranges(content: dict) -> dict[str, tuple[float, float]]:
    """The range that each layer's outputs have learnt; ValueError where none have."""
    if not content.get("ranges"):
        raise ValueError(
            "--ranges learned is for a .keras file that was trained for int8, with the "
            "compression.json of that beside it; leave it out to calibrate alone"
        )
    return {name: (low, high) for name, (low, high) in content["ranges"].items()}
