"""A progress bar for downloads, on a terminal only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def download_progress(title: str) -> Iterator:
    """Give a callback (bytes so far, bytes in all or None) that draws a bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    columns = ("{task.description}", BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = None

        def update(done: int, total: int | None) -> None:
            nonlocal task
            task = bar.add_task(title, total=total) if task is None else task
            bar.update(task, completed=done, total=total)

        yield update
