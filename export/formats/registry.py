"""The formats that `names` lists, each an object that answers all that is asked of a format."""

from importlib import import_module
from pathlib import Path

from export.child import in_a_line
from export.errors import ArtifactError
from export.formats.base import Format
from export.formats.names import MADE_IN
from export.names import choose
from export.networks.base import Network


def _load(name: str) -> Format:
    module, _, attribute = MADE_IN[name].partition(":")
    format = getattr(import_module(module), attribute)
    if format.name != name:
        raise RuntimeError(
            f"export/formats/names.py lists {MADE_IN[name]} as {name}, and it calls itself "
            f"{format.name}; make them the same"
        )
    return format


FORMATS = {name: _load(name) for name in MADE_IN}
ALL = tuple(FORMATS.values())


def find_format(name: str) -> Format:
    """Return the format called `name`, in whatever case.

    Raises ValueError with the known names, and one that may have been meant, for any other.
    """
    return FORMATS[choose(name, FORMATS, "format")]


def open_network(name: str, folder: Path) -> Network:
    """Open the artifact in `folder`, of the format called `name`, as a network.

    Raises ArtifactError in one line where it cannot be one, whatever the reason.
    """
    try:
        return find_format(name).network(folder)
    except ArtifactError as error:
        raise ArtifactError(f"{folder} does not open: {error}") from error
    except Exception as error:  # whatever the damage, or another maker's graph, leads to
        why = in_a_line(error)
        raise ArtifactError(f"{folder} does not open as a graph to change: {why}") from error
