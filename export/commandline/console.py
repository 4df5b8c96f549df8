"""The console of rich that tables and lines are printed to."""


def make_console(**options):
    """Return a Console of rich that leaves a closed pipe to its caller.

    Left to itself it would exit with status 1, which of a tool means that a check failed.
    """
    from rich.console import Console

    console = Console(highlight=False, **options)
    console.on_broken_pipe = _raise_again
    return console


def _raise_again() -> None:
    raise  # the BrokenPipeError that rich is about to handle
