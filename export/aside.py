"""Formats that cannot be made of a model, set aside so that the others are."""

from collections.abc import Iterator
from contextlib import contextmanager

from export.errors import ExportError
from export.progress import Progress, silent

LEFT = "cannot be made; going on with the others"


class Aside:
    """The errors of formats that were set aside, by the format's name.

    Where there is but one format, its error is raised at once. So is one that comes `early`, before
    the model is run, unless `patient`: a caller in Python can ask for less, and has lost nothing.
    """

    def __init__(self, count: int, *, patient: bool = False, progress: Progress = silent):
        self.errors: dict[str, Exception] = {}
        self._several, self._patient = count > 1, patient
        self._progress = progress

    @contextmanager
    def work(self, format_name: str, *, early: bool = False) -> Iterator[None]:
        """Set a format aside where the block, which is work on it alone, cannot be done."""
        try:
            yield
        except (ExportError, ValueError) as error:
            if not self._several or (early and not self._patient):
                raise
            self.errors[format_name] = error
            self._progress(format_name, LEFT)
