"""Which picture has which label: a folder for each class, or a list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.signatures.labels import read_lines
from export.wording import counted

LARGEST_LIST = 256 << 20  # bytes; ImageNet's 1.28 million training pictures take 51 MB


@dataclass(frozen=True)
class Example:
    name: str  # path below the folder, with forward slashes
    label: int


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled pictures below `folder`, in the order of their names."""

    folder: Path
    items: tuple[Example, ...]
    classes: int
    unlabelled: int = 0  # pictures that no label belongs to
    absent: int = 0  # names in the list without a picture

    def paths(self) -> list[Path]:
        return [self.folder / item.name for item in self.items]

    def sample(self, limit: int | None) -> "Examples":
        """Keep `limit` of them, evenly spread, for the first ones are all of the same class."""
        if limit is None or limit >= len(self.items):
            return self
        if limit < 1:
            raise ValueError(f"a limit is at least 1 picture. Received: {limit}")
        step = len(self.items) / limit
        return replace(self, items=tuple(self.items[int(i * step)] for i in range(limit)))


def find_examples(
    folder: Path, images: Sequence[Path], classes: int, labels: Path | None = None
) -> Examples:
    """Label the pictures `images` below `folder` with indexes below `classes`.

    Without a list each picture lies in the folder of its class. The folders' names in sorted order
    are the classes 0, 1, ..., as torchvision has it and as ImageNet's synsets are numbered; where
    all names are whole numbers, each is its own index. The file `labels` has lines `name index`,
    where a name is a picture's path below `folder` or a class's folder.

    Raises ValueError where pictures, folders and labels do not fit each other.
    """
    if not images:
        raise ValueError(f"there is no picture below {str(folder)!r}")
    names = sorted(path.relative_to(folder).as_posix() for path in images)
    known = read_truth(labels, classes) if labels else _folder_labels(folder, names, classes)
    items = []
    for name in names:
        label = known.get(name, known.get(name.partition("/")[0]))
        if label is not None:
            items.append(Example(name, label))
    if not items:
        raise ValueError(
            f"no name in {str(labels)!r} is of a picture or a folder below {str(folder)!r}; "
            f"a picture there is {names[0]!r}, the list begins with {next(iter(known))!r}"
        )
    used = set(names) | {name.partition("/")[0] for name in names}
    absent = sum(name not in used for name in known)
    return Examples(
        folder=folder,
        items=tuple(items),
        classes=classes,
        unlabelled=len(names) - len(items),
        absent=absent,
    )


def read_truth(file: Path, classes: int) -> dict[str, int]:
    """Read lines `name index`; empty lines and lines that begin with # count for nothing.

    Raises ValueError with the number of the line that is wrong.
    """
    found = {}
    for number, line in enumerate(read_lines(file, LARGEST_LIST), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, index = line.strip().replace("\t", " ").rpartition(" ")
        name = name.strip().removeprefix("./").rstrip("/")
        where = f"line {number} of {str(file)!r}"
        if not name or not (index.isascii() and index.isdigit()):
            raise ValueError(f"{where} should be 'name index'. Received: {line[:80]!r}")
        if len(index) > 9 or int(index) >= classes:
            raise ValueError(
                f"{where} has index {index[:80]}; {classes} classes end at {classes - 1}"
            )
        if found.setdefault(name, int(index)) != int(index):
            raise ValueError(f"{where} gives {name!r} a second index, {index}")
    if not found:
        raise ValueError(f"{str(file)!r} holds no label; a line is 'name index'")
    return found


def _folder_labels(folder: Path, names: Sequence[str], classes: int) -> dict[str, int]:
    loose = [name for name in names if "/" not in name]
    if loose:
        raise ValueError(
            f"{loose[0]!r} lies in no class's folder below {str(folder)!r}; "
            "sort the pictures into one folder a class, or give --labels FILE"
        )
    folders = sorted({name.partition("/")[0] for name in names})
    if all(name.isascii() and name.isdigit() for name in folders):
        labels = {name: int(name) for name in folders}
        if max(labels.values()) < classes and len(set(labels.values())) == len(labels):
            return labels
        raise ValueError(
            f"{str(folder)!r} has numbered folders up to {max(labels.values())}, some twice or "
            f"past the last of {classes} classes, {classes - 1}; give --labels FILE"
        )
    if len(folders) != classes:
        raise ValueError(
            f"{str(folder)!r} has {counted(len(folders), 'folder')} with pictures and the network "
            f"{classes} classes, so their order says nothing; give --labels FILE with lines "
            "'folder index'"
        )
    return {name: index for index, name in enumerate(folders)}
