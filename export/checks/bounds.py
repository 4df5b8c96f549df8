"""How much error is allowed: a stated multiple of the network's own noise on the same images.

A bound never grows to where a wrong network would pass.
"""

import math
from dataclasses import dataclass, field

from export.observe.noise import Noise
from export.results import Rule


@dataclass(frozen=True)
class Bound:
    """An allowed error, and where it comes from."""

    allowed: float
    note: str = ""
    details: dict = field(default_factory=dict)


def bound(noise: Noise | None, rule: Rule) -> Bound:
    """Return what `rule` allows on this noise; its fixed bound if that noise was not measured."""
    measured = getattr(noise, rule.kind) if noise else math.nan
    if not math.isfinite(measured):
        return Bound(rule.fixed, "a fixed bound, because no noise could be measured")
    allowed = min(max(rule.margin * measured, rule.smallest), rule.largest)
    note = f"{rule.margin:g} times the noise of {measured:.1e} std is allowed"
    if allowed > rule.margin * measured:
        note = f"the noise is {measured:.1e} std, and {allowed:.1e} is always allowed"
    elif allowed < rule.margin * measured:
        note = f"the noise is {measured:.1e} std, and more than {allowed:.1e} is never allowed"
    details = {"noise": measured, "margin": rule.margin, "noise_from": rule.source}
    return Bound(allowed, note, details)
