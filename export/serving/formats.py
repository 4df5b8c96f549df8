"""What serving asks of formats, each of which says itself what serves it."""

from export.errors import ExportError
from export.formats import FORMATS, find_format
from export.formats.names import TF_SERVING, TF_SERVING_GPU

SHOWN = 80  # characters of a name that a folder may have from anybody


def server_of(format: str) -> str:
    """What serves artifacts of the format called so: a word of export/formats/names.py, or "".

    Raises ExportError if this version of the toolkit does not know the format.
    """
    try:
        return find_format(format[:SHOWN]).server
    except ValueError as error:
        raise ExportError(f"{error}; use the version of this toolkit that wrote it") from error


def is_savedmodel(format: str) -> bool:
    """Whether TensorFlow Serving loads artifacts of the format."""
    return server_of(format) in (TF_SERVING, TF_SERVING_GPU)


def has_engine(format: str) -> bool:
    """Whether artifacts of the format hold a TensorRT engine, which wants a GPU and an image."""
    return server_of(format) == TF_SERVING_GPU


def formats_on(*servers: str) -> str:
    """The names of the formats that one of `servers` serves, for a sentence."""
    return " or ".join(format.name for format in FORMATS.values() if format.server in servers)
