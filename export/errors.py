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
