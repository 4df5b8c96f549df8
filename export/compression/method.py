"""What is asked of a compression: the ways, and the layers that they are for."""

import math
from dataclasses import dataclass

PATTERN = "2:4"  # at least two of four neighbouring input channels are zero
MOST_VALUES = 256  # what a byte can tell apart


@dataclass(frozen=True, kw_only=True)
class Method:
    """The ways to go, in this order: prune, then cluster, then train for int8.

    `skip` and `only` name layers. The first and the last layer that could be pruned or clustered
    are left alone unless `only` names them or `ends` is true. Raises ValueError for what makes no
    sense.
    """

    prune: float | str | None = None  # a share of the values from 0 to 1, or PATTERN
    cluster: int | None = None  # how many distinct values
    qat: bool = False
    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ends: bool = False

    def __post_init__(self):
        if self.prune is None and self.cluster is None and not self.qat:
            raise ValueError(
                "there is nothing to do; ask for --prune 0.5, --prune 2:4, --cluster 16 or --qat"
            )
        if self.prune is not None and self.prune != PATTERN:
            _check_share(self.prune)
        if self.cluster is not None:
            self._check_cluster()

    def _check_cluster(self) -> None:
        least = 2 if self.prune is None else 3  # with zero, and one on either side of it
        fits = isinstance(self.cluster, int) and least <= self.cluster <= MOST_VALUES
        if not fits:
            pruned = " of a pruned network" if least == 3 else ""
            raise ValueError(
                f"--cluster{pruned} takes a whole number from {least} to {MOST_VALUES}. Received: "
                f"{self.cluster!r}"
            )

    @property
    def prunes_to_pattern(self) -> bool:
        return self.prune == PATTERN

    def as_dict(self) -> dict:
        """What compression.json holds."""
        return {"prune": self.prune, "cluster": self.cluster, "qat": self.qat}


def read_prune(text: str) -> float | str:
    """Return the share, or the pattern, that `--prune` is given as; ValueError for any other."""
    if text == PATTERN:
        return PATTERN
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    _check_share(share, text)
    return share


def _check_share(share, received=None) -> None:
    if not isinstance(share, float) or not 0 < share < 1:
        raise ValueError(
            f"--prune takes a share between 0 and 1, as 0.5, or {PATTERN}. Received: "
            f"{share if received is None else received!r}"
        )
