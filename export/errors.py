"""What goes wrong, each in one line: what was asked, what is true, what to do next."""


def in_a_line(error: BaseException) -> str:
    """Return the class of an error and the first line of what it says: "OSError: disk is full"."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


class ExportError(Exception):
    """This machine, or this model, cannot do what was asked."""

    is_sentence = True  # export/child.py tells it by its message alone


class Shortage(ExportError):
    """Memory or disk does not suffice."""


class MissingPackage(ExportError):
    """A package is absent, or does not import."""


class MissingLane(ExportError):
    """A private environment that the work needs cannot exist here."""


class PourError(ExportError):
    """A converter lost, doubled or reshaped a weight's stand-in, so weights cannot be placed."""


class ArtifactError(ExportError):
    """A folder is not the artifact that it should be."""
