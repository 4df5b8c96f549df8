"""What is refused before the model is run, because that may take minutes."""

from export.contract import PROBABILITIES, Contract
from export.endings import SOFTMAX
from export.errors import ExportError, MissingPackage
from export.formats import Format
from export.options import Options
from export.wording import listed

# What an option is, where its name does not say it.
HINTS = {"calibration": "pictures to take ranges from, as in --calibration DIR"}


def refuse_unfit(format: Format, name: str, contract: Contract) -> None:
    """Raise ValueError for a format that cannot hold the model called `name`."""
    if why := format.unfit(contract):
        raise ValueError(f"{name} does not go into {format.name}: {why}")


def refuse_unmet(format: Format, options: Options) -> None:
    """Raise ValueError for options that lack what a format cannot be written without.

    Raises MissingPackage where this machine does.
    """
    if unmet := format.unmet(options):
        hints = "; ".join(HINTS[name] for name in unmet if name in HINTS)
        raise ValueError(
            f"{format.name} needs {listed(unmet)}; give them as options"
            + (f": {hints}" if hints else "")
        )
    if format.missing:
        raise MissingPackage(format.missing)


def refuse_beyond(format: Format, skeleton, *, partial_engines: bool = False) -> None:
    """Raise ExportError for a format that a traced network is beyond."""
    why = format.limit(skeleton)
    if not why and not partial_engines:
        why = format.apart(skeleton)
    if why:
        raise ExportError(why)


def refuse_labels(options: Options, skeleton) -> None:
    """Raise ValueError for labels of a model that does not tell classes of pictures apart."""
    if not options.labels:
        return
    if not skeleton.contract.classifier:
        raise ValueError(
            f"labels are of classifiers of pictures, one float32 image in and one row of logits "
            f"out, and {skeleton.name} is none; leave them out"
        )
    (output,) = skeleton.contract.outputs
    if skeleton.endings and (output.name, *skeleton.endings.values()) != (PROBABILITIES, SOFTMAX):
        raise ValueError(
            f"labels name classes of which one is right, and {skeleton.name} ends in a "
            f"{skeleton.endings[output.name]} called {output.name}; leave them out"
        )
