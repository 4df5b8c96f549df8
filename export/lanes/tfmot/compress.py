"""Compress a network with tensorflow-model-optimization: a script for a lane.

The job has the `description` of the network (export/compression/twin.py), the `method` (`prune`,
`cluster`, `qat`), the `weights` that each way is for, lists of [layer, weight], and the layers to
`quantise`. The arrays are the network's weights, called "layer|weight", and probes, by the names
of the inputs, as `given/<name>`.

With a `plan` the network is trained on the way. That names the files of images `train` and
`held_out`, whose labels are arrays, says how to train on them, and where `checkpoint`, `stop` and
`told` lie. Without one, all is done in one shot.

The answer has `difference`: the largest between a weight of the twin and the one it was given, the
`accuracy` on what was held out, `before` and `after`, and what was `interrupted`. The arrays
`before/<output>` and `after/<output>` are what the probes give, "layer|weight" is what was
changed, and `quantised` the logits that training for int8 ended with on what was held out; `ranges`
are those of its layers.
"""

import gc
import signal

import keras2
import oneshot
import tensorflow as tf
import tf_keras as keras

GIVEN, BEFORE, AFTER = "given/", "before/", "after/"  # begin the names of arrays


def work(job, arrays):
    description, plan = job["description"], job.get("plan")
    given = {name: arrays.pop(f"{GIVEN}{name}") for name in named(description["inputs"])}
    if plan:
        plan |= {name: arrays.pop(name) for name in ("train_labels", "held_out_labels")}
    model = keras2.build(description, blank=not plan)
    answer = {"difference": keras2.fill(model, description, arrays)}
    yield answer, outputs(BEFORE, model, description, given)
    if plan:
        yield from trained(model, job, plan, answer)
        answer["accuracy"]["after"] = measured(model, plan)
        yield from everything(model, description, answer)
    else:
        yield from shot(model, job, answer)
    yield answer, outputs(AFTER, model, description, given)


def named(entries):
    return [one["name"] for one in entries]


def outputs(prefix, model, description, given):
    """What the network gives for the probes, under names that begin with `prefix`."""
    found = keras2.run(model, description, given)
    return {f"{prefix}{name}": values for name, values in found.items()}


def chosen(model, description, weights):
    """Yield layer, weight and variable of all that any of the ways is for."""
    wanted = {tuple(one) for ones in weights.values() for one in ones}
    for layer, name, variable in all_weights(model, description):
        if (layer, name) in wanted:
            yield layer, name, variable


def all_weights(model, description):
    """Yield layer, weight and variable of everything that Keras 3 knows too."""
    for described in description["layers"]:
        found = keras2.variables(model.get_layer(described["name"]), described)
        for name, variable in found.items():
            yield described["name"], name, variable


def everything(model, description, answer):
    """Yield every weight of a network that was trained: biases and statistics change too."""
    for layer, name, variable in all_weights(model, description):
        yield answer, {f"{layer}|{name}": variable.numpy()}


def shot(model, job, answer):
    """Compress the weights that were chosen as they are; yield each."""
    for layer, weight, variable in chosen(model, job["description"], job["weights"]):
        compress(variable, job["method"], [layer, weight], job["weights"])
        yield answer, {f"{layer}|{weight}": variable.numpy()}


def compress(variable, method, weight, weights):
    """Go the ways with one weight that it was chosen for."""
    pruned = weight in weights["prune"]
    if pruned:
        oneshot.prune(variable, method["prune"])
    if weight in weights["cluster"]:
        values = oneshot.cluster(variable.numpy(), method["cluster"], keep_zeros=pruned)
        keras2.assign(variable, values)


def trained(model, job, plan, answer):
    """Train the network one way after the other; yield what is known in between."""
    from checkpoint import Checkpoint, put
    from portions import portions

    plan |= portions(model, job["description"], plan["batch_size"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a file says when to stop
    keras.utils.set_random_seed(plan["seed"])
    tf.config.experimental.enable_op_determinism()
    checkpoint = Checkpoint(plan["checkpoint"])
    answer["accuracy"] = {"before": measured(model, plan), "pictures": len(plan["held_out_labels"])}
    answer["interrupted"] = ""
    yield answer, {}
    for stage in stages(job["method"], checkpoint.state.get("stage")):
        if checkpoint.state.get("stage") == stage:
            put(model.variables, checkpoint.read("start", len(model.variables)))
        else:
            if stage == "cluster":
                settle(model, job)
            checkpoint.begin(stage, model.variables)
        watch, rounding = train_stage(stage, model, job, plan, checkpoint)
        if rounding is not None:
            yield from quantised(rounding, model, job, plan, answer)
        rounding = None
        gc.collect()  # slots of the optimizer, masks and activations, before kernels are copied
        if watch.interrupted:
            answer["interrupted"] = f"{stage}, epoch {checkpoint.state.get('epoch', 0) + 1}"
            settle(model, job)
            break
        settle(model, job, stage)


def stages(method, at):
    """The ways that are asked for, from the one that a checkpoint is `at`."""
    asked = [way for way in ("prune", "cluster", "qat") if method[way]]
    return asked[asked.index(at) :] if at in asked else asked


def train_stage(stage, model, job, plan, checkpoint):
    """Train one way; return its Watch, and the network that rounds where it was one for int8."""
    import ways

    names = {way: {layer for layer, _ in ones} for way, ones in job["weights"].items()}
    method = job["method"]
    if stage == "prune":
        kernels = [variable for _, variable in pruned(model, job)]
        return ways.prune(model, method["prune"], kernels, plan, checkpoint), None
    if stage == "cluster":
        promised = method["cluster"], names["cluster"], names["prune"]
        return ways.cluster(model, *promised, plan, checkpoint), None
    before = [way for way in ("prune", "cluster") if method[way]]
    return ways.quantise(model, set(job["quantise"]), before, plan, checkpoint)


def quantised(rounding, model, job, plan, answer):
    """Take over what training for int8 has learnt, and say what the network that rounds gives."""
    import ways
    from lessons import logits_of

    logits = logits_of(rounding, plan["held_out"], plan)
    answer["ranges"] = ways.ranges(rounding, job["description"])
    right = logits.argmax(axis=1) == plan["held_out_labels"]
    answer["accuracy"]["quantised"] = float(right.mean())
    keep = {key: variable.numpy() != 0 for key, variable in pruned(model, job)}
    ways.learned(rounding, model, job["description"])
    for key, variable in pruned(model, job):
        variable.assign(variable.numpy() * keep[key])
    yield answer, {"quantised": logits}


def pruned(model, job):
    """Yield a key and the variable of each weight that was pruned."""
    weights = {"prune": job["weights"]["prune"]}
    for layer, weight, variable in chosen(model, job["description"], weights):
        yield (layer, weight), variable


def settle(model, job, stage="cluster"):
    """Do in one shot what the ways up to `stage` promise."""
    weights = dict(job["weights"])
    if stage == "prune":
        weights["cluster"] = []
    for layer, weight, variable in chosen(model, job["description"], weights):
        compress(variable, job["method"], [layer, weight], weights)


def measured(model, plan):
    from lessons import measure

    return measure(model, plan["held_out"], plan["held_out_labels"], plan)
