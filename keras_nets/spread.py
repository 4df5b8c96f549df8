"""Pictures of a folder in an order in which every class comes early."""

import random
from pathlib import Path

from keras_nets.pictures import list_images


def spread_pictures(folder: Path | str, seed: int = 0) -> list[Path]:
    """Return all pictures below `folder`, shuffled by `seed`, one of each class after the other.

    A class is the folder that a picture lies in. Raises ValueError where there is no picture.
    """
    classes: dict[Path, list[Path]] = {}
    for path in list_images(folder):
        classes.setdefault(path.parent, []).append(path)
    if not classes:
        raise ValueError(f"there is no picture below {str(folder)!r}; name a folder that has some")
    chance = random.Random(seed)
    rows = [chance.sample(paths, len(paths)) for paths in classes.values()]
    chance.shuffle(rows)
    longest = max(map(len, rows))
    return [row[at] for at in range(longest) for row in rows if at < len(row)]
