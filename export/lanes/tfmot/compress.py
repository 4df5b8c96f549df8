"""Compress a network with tensorflow-model-optimization: a script for a lane.

The job has the `description` of the network (export/compression/twin.py), the `method` (`prune`,
`cluster`, `qat`), and the `weights` that each way is for: lists of [layer, weight]. The arrays are
the network's weights, called "layer|weight", and the `probes`.

The answer has `difference`: the largest between a weight of the twin and the one it was given. The
arrays `before` and `after` are the logits on the probes, and "layer|weight" what was changed.
"""

import keras2
import numpy as np
import oneshot

AT_ONCE = 2  # probes a run


def work(job, arrays):
    probes = arrays.pop("probes")
    description, method = job["description"], job["method"]
    model = keras2.build(description)
    answer = {"difference": keras2.fill(model, description, arrays)}
    yield answer, {"before": run(model, probes)}
    for layer, weight, variable in chosen(model, description, job["weights"]):
        values = compressed(variable.numpy(), method, [layer, weight], job["weights"])
        variable.assign(values)
        yield answer, {f"{layer}|{weight}": values}
    yield answer, {"after": run(model, probes)}


def chosen(model, description, weights):
    """Yield layer, weight and variable of all that any of the ways is for."""
    wanted = {tuple(one) for ones in weights.values() for one in ones}
    for described in description["layers"]:
        found = keras2.variables(model.get_layer(described["name"]), described)
        for name, variable in found.items():
            if (described["name"], name) in wanted:
                yield described["name"], name, variable


def compressed(values, method, weight, weights):
    """The values of one weight after the ways that it was chosen for."""
    pruned = weight in weights["prune"]
    if pruned:
        values = oneshot.prune(values, method["prune"])
    if weight in weights["cluster"]:
        values = oneshot.cluster(values, method["cluster"], keep_zeros=pruned)
    return values


def run(model, images):
    """The logits (n, classes) of `images`, a few at a time."""
    parts = [
        model(images[start : start + AT_ONCE], training=False).numpy()
        for start in range(0, len(images), AT_ONCE)
    ]
    return np.concatenate(parts)
