"""A calibration made ready for one network: checked, hashed, its held-out images at hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from export.calibration.images import Calibration, check, settled
from export.contract import Batch


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What formats are given of it, and what a report says of it."""

    calibration: Calibration | None = None
    sha256: str = ""  # of its images
    held_out: np.ndarray | None = None  # (n, height, width, channels)

    @property
    def count_held_out(self) -> int:
        return 0 if self.held_out is None else len(self.held_out)

    @property
    def order(self) -> dict:
        """Fields of an Order."""
        return {"calibration": self.calibration, "images_sha256": self.sha256}

    def least_agreement(self, asked: float) -> float:
        """The share of first choices that must stay; on synthetic images none says anything."""
        own = self.calibration
        return 0.0 if own is not None and own.synthetic else asked

    def beside(self, images: np.ndarray | Batch | None) -> np.ndarray | Batch | None:
        """`images` to compare on, the held-out ones before them."""
        if isinstance(images, Mapping) and self.held_out is not None:
            return {name: np.concatenate([self.held_out, one]) for name, one in images.items()}
        if isinstance(images, Mapping):
            return images
        given = [part for part in (self.held_out, images) if part is not None]
        return np.concatenate(given) if given else None

    def entry(self, ranges: Mapping[str, tuple[float, float]]) -> dict:
        """The report's entry of an artifact with these ranges; empty where it has none."""
        if not ranges or self.calibration is None:
            return {}
        own = self.calibration
        return {
            "source": own.source,
            "count": len(own),
            "method": own.method,
            "sha256": self.sha256,
            "held_out": self.count_held_out,
            "unread": list(own.unread),
            "ranges": {name: list(span) for name, span in ranges.items()},
            **({"learned": sorted(own.learned)} if own.learned else {}),
        }


def prepare(calibration: Calibration | None, skeleton, seed: int) -> Prepared:
    """Make `calibration` ready for a traced network.

    Raises ValueError where its images are none for this network, or say nothing.
    """
    if calibration is None:
        return Prepared()
    own = settled(calibration, skeleton, seed)
    sha256 = check(own, skeleton.image)
    held = np.stack([*own.held_out]) if len(own.held_out) else None
    return Prepared(calibration=own, sha256=sha256, held_out=held)
