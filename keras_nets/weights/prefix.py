"""Find a network inside a file by the prefix of its weights' names.

Training scripts keep weights inside of something else, and all of it shows as a prefix: `module.`
of DataParallel, `model.` of Lightning, `_orig_mod.` of torch.compile, `_layers.` of Paddle's
parallel models, `Student.` of its distillation, `state_dict::` of a dictionary in a dictionary,
`squeezenet1_1/` of a network among the layers of another. So one search serves them all.
"""

import re
from collections.abc import Collection, Iterable

from keras_nets.weights.state import NESTED

ENDS = (".", NESTED, "/")  # what a prefix may end with
MOST = 64  # prefixes looked at; more are no mistake of a training script
# Of several copies of a network these are not the one that was trained, but come from it or are
# what it learned from.
SECOND = frozenset(("averaged", "avg", "best", "ema", "old", "shadow", "swa", "target", "teacher"))
# Where the network itself usually lies, the likelier first; a file has one of them.
USUAL = ("", "state_dict", "model_state_dict", "model", "net", "params")


def find_prefixes(names: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Return the prefixes with which `wanted` names stand among `names`, the best first.

    No prefix is the best, then those of the network itself, then its averages and teachers.
    """
    wanted = list(wanted)
    anchors = {wanted[0], wanted[len(wanted) // 2], wanted[-1]}
    found = {""}
    for name in names:
        for anchor in anchors:
            prefix = name[: -len(anchor)]
            if name.endswith(anchor) and prefix.endswith(ENDS):
                found.add(prefix)
    return sorted(found, key=lambda prefix: (rank(prefix), prefix))[:MOST]


def rank(prefix: str) -> tuple:
    """Return a key to sort prefixes by: the likelier one is meant, the smaller."""
    words = set(re.split("[^a-z]+", prefix.lower()))
    outermost = prefix.partition(NESTED)[0] if NESTED in prefix else ""
    usual = USUAL.index(outermost) if outermost in USUAL else len(USUAL)
    return prefix != "", bool(words & SECOND), usual


def below(names: Iterable[str], prefix: str) -> list[str]:
    """Return what follows `prefix` in those `names` that are on its own level."""
    rests = (name[len(prefix) :] for name in names if name.startswith(prefix))
    return [rest for rest in rests if NESTED not in rest]
