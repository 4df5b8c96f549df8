"""What may lie in an artifact's folder for a server to find; anything more could be served unseen.

TensorFlow Serving takes the version folder with the highest number, and TensorFlow prefers some
files beside saved_model.pb to it.
"""

import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from export.errors import ArtifactError
from export.formats.admission import refused
from export.signatures.description import FILE

VERSION = "1"  # TensorFlow Serving's version folder
MODEL = "saved_model.pb"
VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")
CLASSIFY_FILE = FILE.as_posix()
IS_VERSION = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)  # as TensorFlow Serving reads a number


def version_folder(folder: Path, files: Collection[str]) -> Path:
    """The only version folder of the SavedModel artifact in `folder`.

    Raises ArtifactError where its saved_model.pb is gone, a server would take another version, or
    it holds what is not in `files`, paths with slashes.
    """
    version = folder / VERSION
    if not (version / MODEL).is_file():
        raise ArtifactError(f"{folder} has no {VERSION}/{MODEL}; export it again")
    names = (path.name for path in folder.iterdir())
    others = [name for name in names if IS_VERSION.fullmatch(name) and name != VERSION]
    if others:
        raise refused(folder, f"holds another version, {min(others)!r}, which would be served")
    for parent, folders, names in os.walk(version, followlinks=False):
        below = Path(parent).relative_to(version)
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            path = (below / name).as_posix()
            if path not in files:
                raise refused(version, f"holds {path!r}, which this toolkit does not write there")
            if not stat.S_ISREG(Path(parent, name).stat().st_mode):
                raise refused(version, f"holds {path!r}, which is no regular file")
    return version
