"""How much error is allowed: a stated multiple of the network's own noise on the same images.

The margins are from measurements: on the eight networks ONNX Runtime is off by 0.9 to 1.3 times
what shuffled sums move, and an FP16 engine of VGG13 on an H100 by 1.0 times what simulated rounding
moves (docs/gate_power.md). What the shuffling does not reach, such as the mean over a whole image,
moves the logits of shallow networks by up to 7e-6. A bound never grows to where a wrong network
would pass.
"""

import math
from dataclasses import dataclass, field

from export.observe.noise import Noise


@dataclass(frozen=True)
class Rule:
    """A multiple of one kind of noise, kept between two limits, in standard deviations."""

    kind: str  # an attribute of Noise
    margin: float
    smallest: float
    largest: float
    source: str  # of the noise


REORDERED = Rule("fp32", 8.0, 2e-5, 1e-2, "sums made in another order")
# TF32, in which a GPU computes FP32 engines, has the mantissa of float16.
ROUNDED = Rule("fp16", 4.0, 1e-3, 0.5, "weights and activations rounded to 11 bits")


@dataclass(frozen=True)
class Bound:
    """What is allowed, and where that is from."""

    allowed: float
    note: str = ""
    details: dict = field(default_factory=dict)


def bound(noise: Noise | None, rule: Rule, otherwise: float) -> Bound:
    """The bound by `rule`; `otherwise`, fixed, where no noise was measured."""
    measured = getattr(noise, rule.kind) if noise else math.nan
    if not math.isfinite(measured):
        return Bound(otherwise, "a fixed bound, because no noise could be measured")
    allowed = min(max(rule.margin * measured, rule.smallest), rule.largest)
    note = f"{rule.margin:g} times the noise of {measured:.1e} std is allowed"
    if allowed > rule.margin * measured:
        note = f"the noise is {measured:.1e} std, and {allowed:.1e} is always allowed"
    elif allowed < rule.margin * measured:
        note = f"the noise is {measured:.1e} std, and more than {allowed:.1e} is never allowed"
    details = {"noise": measured, "margin": rule.margin, "noise_from": rule.source}
    return Bound(allowed, note, details)
