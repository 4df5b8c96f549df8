"""A Calibration of what a command line names: pictures, an archive of arrays, or a report."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from export.calibration.images import (
    COUNT,
    MOST,
    SHARE,
    SYNTHETIC,
    Calibration,
    Made,
    of_array,
    split,
)
from export.child import in_a_line
from export.files import read_bounded
from export.processors import ahead

LARGEST_REPORT = 32 << 20  # bytes
INPUT = "image"  # the name of the input, and of an array for it


def of_pictures(
    paths: Iterable[Path],
    read: Callable[[Path], np.ndarray],
    source: str,
    *,
    count: int = COUNT,
    method: str = "minmax",
) -> Calibration:
    """Take the first of `paths` that decode: for ranges at most `count`, and some to hold out.

    `read` makes a normalised image of a picture, each time that it is wanted, in any thread. Those
    that it raises ValueError for are left out and listed. Raises ValueError where too few are left.
    """
    good, unread, wanted = [], [], count + min(MOST, max(1, count // (SHARE - 1)))
    paths = tuple(paths)
    for path, image in zip(paths, ahead(read, paths), strict=True):
        if len(good) == wanted:
            break
        try:
            image.result()
        except ValueError as error:
            unread.append(f"{path.name}: {in_a_line(error)}")
            continue
        good.append(path)
    try:
        used, held_out = split(tuple(good), count)
    except ValueError as error:
        more = f"; {len(unread)} more did not decode, first {unread[0]}" if unread else ""
        raise ValueError(f"{error} (below {source}{more})") from error
    return Calibration(
        source=source,
        images=Made(used, read),
        held_out=Made(held_out, read),
        method=method,
        unread=tuple(unread),
    )


def of_file(path: Path, *, count: int = COUNT, method: str = "minmax") -> Calibration:
    """Read images of an .npz, under the input's name, or ranges of a report.json."""
    if path.suffix == ".json":
        return _of_report(path)
    try:
        with np.load(path, allow_pickle=False) as held:
            name = INPUT if INPUT in held.files else next(iter(held.files), "")
            images = held[name] if name else np.zeros(0)
    except (OSError, ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
        raise ValueError(
            f"{path} holds no arrays to calibrate with ({in_a_line(error)}); give an .npz with "
            f"float32 images under {INPUT!r}, or a folder of pictures"
        ) from error
    return of_array(images, path.name, count=count, method=method)


def synthetic(*, count: int = COUNT, method: str = "minmax") -> Calibration:
    """Make a Calibration of seeded images, for want of pictures."""
    return Calibration(source=SYNTHETIC, count=count, method=method)


def _of_report(path: Path) -> Calibration:
    """The ranges that an artifact was made with, for another without the pictures."""
    try:
        entry = json.loads(read_bounded(path, LARGEST_REPORT))["calibration"]
        ranges = {
            str(name): (float(low), float(high)) for name, (low, high) in entry["ranges"].items()
        }
        source, method = str(entry["source"]), str(entry["method"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} tells no ranges; give the report.json of an artifact in 8 bits"
        ) from error
    if not ranges or not np.isfinite(list(ranges.values())).all():
        raise ValueError(f"{path} has ranges that are not finite; calibrate with pictures")
    return Calibration(source=source, method=method, ranges=ranges)
