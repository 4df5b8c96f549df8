"""Errors that users meet. Each says in one line what was asked, what is true and what to do."""


class ExportError(Exception):
    """This machine, or this model, cannot do what was asked."""

    is_sentence = True  # export/child.py tells it by its message alone


class Shortage(ExportError):
    """Memory or disk does not suffice."""


class MissingPackage(ExportError):
    """A package is missing, or importing it fails."""


class MissingLane(ExportError):
    """A private environment that the work needs cannot be made on this machine."""


class PourError(ExportError):
    """A converter lost, doubled or reshaped a weight's stand-in, so weights cannot be placed."""


class ArtifactError(ExportError):
    """A folder does not hold the artifact that it should hold."""


class AccuracyLost(ExportError):
    """A compressed network is right too seldom."""


def in_one_line(error: Exception) -> str:
    """What an error says, behind its type where that is neither ours nor ValueError."""
    text = " ".join(str(error).split())[:500]
    if isinstance(error, ExportError | ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}"
