"""The ways of compressing a network while it trains: imported by scripts.

Each trains, and leaves what it promises in the network's own variables. What training leaves
undone, because it was ended early or a schedule is coarse, is then done in one shot.
"""

import keras2
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from clusters import have_little
from pruning import PATTERN, Pruned
from tensorflow_model_optimization.python.core.quantization.keras import quantize_layer
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry as registry,
)
from training import train

UPDATES = 50  # of the masks, while the share that is pruned grows
GROWING = 0.75  # of the steps, in which it does
SLOWER = 0.1  # of the rate, for centres of clusters: their gradients are sums over many values


def prune(model, what, kernels, plan, checkpoint):
    """Prune `kernels`, variables of the model, while it trains; return the Watch of the training.

    The library's wrappers would prune within the step that trains, at each part of a batch and
    beside all activations, so its schedules and masks are used without them.
    """
    sparsity = tfmot.sparsity.keras
    per_epoch = -(-len(plan["train_labels"]) // plan["batch_size"])
    steps = per_epoch * plan["epochs"]
    if what == PATTERN:
        schedule, end = sparsity.ConstantSparsity(0.5, 0), 1
    else:
        every = max(1, int(steps * GROWING) // UPDATES)
        end = every * max(1, int(steps * GROWING) // every)
        schedule = sparsity.PolynomialDecay(0.0, what, 0, end, frequency=every)
    stage = {"name": "pruning", "ready": -(-end // per_epoch), "slower": 1.0}
    pruned = [Pruned(one, what, schedule) for one in kernels]
    return train(model, stage, plan, checkpoint, pruned)


def cluster(model, count, names, pruned, plan, checkpoint):
    """Cluster the kernels of the layers called `names`, and keep zeros of those in `pruned`."""
    clustering = tfmot.clustering.keras
    have_little()
    wrappers = []
    # A copy, because the wrapper takes the kernel out of a layer and changes the order of the rest.
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    def wrap(layer):
        if layer.name not in names:
            return layer
        one = clustering.cluster_weights(
            layer,
            number_of_clusters=count,
            cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=layer.name in pruned,
        )
        wrappers.append(one)
        return one

    wrapped = keras.models.clone_model(copy, clone_function=wrap)
    stage = {"name": "clustering", "ready": 1, "slower": SLOWER}
    watch = train(wrapped, stage, plan, checkpoint)
    for one in wrappers:
        one.update_clustered_weights_associations()
        for name, variable in one.original_clusterable_weights.items():
            variable.assign(getattr(one.layer, name))
            setattr(one.layer, name, variable)
    for layer in model.layers:
        own = _own(copy.get_layer(layer.name))
        for name, variable in _own(layer).items():
            variable.assign(own[name])
    return watch


def _own(layer):
    """The variables of a layer by their names within it, in whatever order it has them."""
    return {one.name.rpartition("/")[2].partition(":")[0]: one for one in layer.weights}


def quantise(model, names, ways, plan, checkpoint):
    """Train for int8; return the Watch of the training and the network that rounds.

    `names` are the layers that may be quantised, and `ways` those that went before, whose zeros and
    distinct values are kept.
    """
    quantization = tfmot.quantization.keras
    known = registry.Default8BitQuantizeRegistry()

    def annotate(layer):
        wanted = layer.name in names and known.supports(layer)
        return quantization.quantize_annotate_layer(layer) if wanted else layer

    annotated = keras.models.clone_model(model, clone_function=annotate)
    rounding = quantization.quantize_apply(annotated, scheme(ways))
    stage = {"name": "training for int8", "ready": 1, "slower": 1.0}
    watch = train(rounding, stage, plan, checkpoint)
    return watch, rounding


def scheme(ways):
    """How tensorflow-model-optimization quantises what was pruned or clustered before."""
    combine = tfmot.experimental.combine
    if "cluster" in ways:
        return combine.Default8BitClusterPreserveQuantizeScheme("prune" in ways)
    if "prune" in ways:
        return combine.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()


def learned(rounding, model, description):
    """Give `model` the weights that `rounding` has learnt."""
    for described in description["layers"]:
        wrapper = _of(rounding, described["name"])
        if wrapper is None or not described["weights"]:
            continue
        own = _own(wrapper)
        layer = model.get_layer(described["name"])
        for name, variable in keras2.variables(layer, described).items():
            spelt = keras2.NAMES.get((described["class_name"], name), name)
            variable.assign(own[spelt])


def ranges(rounding, description):
    """The range that each layer's outputs have learnt, by its name: [least, most].

    What ends in a ReLU begins at 0: the library may learn a range below it, which is never used.
    The network's input and output have their own names beside those of layers.
    """
    found = {}
    for layer in rounding.layers:
        if isinstance(layer, quantize_layer.QuantizeLayer):
            ends = sorted(float(value.numpy()) for name, value in _own(layer).items() if
                          name.endswith(("_min", "_max")))  # fmt: skip
            found[description["inputs"][0]["name"]] = ends
    for described in description["layers"]:
        wrapper = _of(rounding, described["name"])
        own = {} if wrapper is None else _own(wrapper)
        for kind in ("post_activation", "output"):
            if f"{kind}_max" in own:
                least, most = (float(own[f"{kind}_{end}"].numpy()) for end in ("min", "max"))
                relu = described["options"].get("activation") == "relu"
                floor = relu or described["class_name"] == "ReLU"
                found[described["name"]] = [max(least, 0.0) if floor else least, most]
                break
    last = description["calls"][-1]["layer"]
    if last in found:
        (output,) = description["outputs"]
        found[output] = found[last]
    return found


def _of(rounding, name):
    """The layer of the network that rounds which stands for the one called `name`."""
    for layer in rounding.layers:
        if name in (layer.name, getattr(getattr(layer, "layer", None), "name", None)):
            return layer
    return None
