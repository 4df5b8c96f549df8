"""Which layers cost most where a network is rounded, and what to do about it."""

from export.observe.noise import Noise

SHOWN = 3


def costliest(noise: Noise, kind: str) -> list[tuple[str, float]]:
    """Layers with what rounding them adds to the error of all before them, the largest first.

    In standard deviations of each layer's own output; `kind` is an attribute of LayerNoise.
    """
    before, jumps = 0.0, {}
    for layer in noise.layers:
        moved = getattr(layer, kind)
        jumps[layer.name], before = moved - before, max(before, moved)
    found = sorted(jumps.items(), key=lambda jump: -jump[1])
    return found or [("the network", getattr(noise, kind))]


def advice(noise: Noise, kind: str) -> str:
    """Names the layers that cost most, and the option that keeps them as they are."""
    worst = [(name, cost) for name, cost in costliest(noise, kind)[:SHOWN] if cost > 0]
    if not worst:
        return "no layer costs more than the others"
    costs = ", ".join(f"{name} ({cost:.1e} std)" for name, cost in worst)
    return f"rounding costs most at {costs}; try --keep-fp32 {worst[0][0]}"
