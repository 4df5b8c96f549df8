"""The ways of compressing a network while it trains: imported by scripts.

Each wraps the layers that it is for, trains, and leaves what it promises in the network's own
variables, which the wrappers share. What training leaves undone, because it was ended early or a
schedule is coarse, is then done in one shot.
"""

import keras2  # noqa: F401 (has Keras 2 taken, so it comes first)
import oneshot
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from training import train

UPDATES = 50  # of the masks, while the share that is pruned grows
GROWING = 0.75  # of the steps, in which it does
SLOWER = 0.1  # of the rate, for centres of clusters: their gradients are sums over many values


def prune(model, what, names, plan, checkpoint):
    """Prune the kernels of the layers called `names`; return the Watch of the training."""
    sparsity = tfmot.sparsity.keras
    per_epoch = -(-len(plan["train_labels"]) // plan["batch_size"])
    steps = per_epoch * plan["epochs"]
    if what == oneshot.PATTERN:
        schedule, end = sparsity.ConstantSparsity(0.5, 0), 1
        options = {"sparsity_m_by_n": oneshot.M_BY_N}
    else:
        every = max(1, int(steps * GROWING) // UPDATES)
        end = every * max(1, int(steps * GROWING) // every)
        schedule = sparsity.PolynomialDecay(0.0, what, 0, end, frequency=every)
        options = {}

    def wrap(layer):
        if layer.name not in names:
            return layer
        return sparsity.prune_low_magnitude(layer, pruning_schedule=schedule, **options)

    wrapped = keras.models.clone_model(model, clone_function=wrap)
    stage = {"name": "pruning", "ready": -(-end // per_epoch), "slower": 1.0}
    return train(wrapped, stage, plan, checkpoint, [sparsity.UpdatePruningStep()])


def cluster(model, count, names, pruned, plan, checkpoint):
    """Cluster the kernels of the layers called `names`, and keep zeros of those in `pruned`."""
    clustering = tfmot.clustering.keras
    wrappers = []

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

    wrapped = keras.models.clone_model(model, clone_function=wrap)
    stage = {"name": "clustering", "ready": 1, "slower": SLOWER}
    watch = train(wrapped, stage, plan, checkpoint)
    for one in wrappers:
        one.update_clustered_weights_associations()
        for name, variable in one.original_clusterable_weights.items():
            variable.assign(getattr(one.layer, name))
            setattr(one.layer, name, variable)
    return watch
