"""Pieces of the lane tfmot, tried within the lane: a script for it.

The job has the folder of the lane's scripts, `home`, and what to do: `ask`, a function of this
file.
"""

import sys


def work(job, arrays):
    if job["home"] not in sys.path:
        sys.path.insert(0, job["home"])
    return globals()[job["ask"]](arrays, **job["options"])


def prune(arrays, what, at_once):
    """Prune the kernel in `arrays` where so many values are handled at once."""
    import oneshot
    import pruning

    pruning.AT_ONCE = at_once
    (kernel,) = tf_variables(arrays["kernel"])
    oneshot.prune(kernel, what)
    return {}, {"kernel": kernel.numpy()}


def nearest(arrays):
    """Which centre is nearest to each value, by the library and in little memory."""
    import clusters

    weight, centres = tf_variables(arrays["weight"], arrays["centres"])
    found = {
        "library": clusters._by_distances(clusters.ClusteringAlgorithm(centres), weight),
        "little": clusters.nearest(weight, centres),
    }
    return {}, {name: values.numpy() for name, values in found.items()}


def tf_variables(*arrays):
    import tensorflow as tf

    return map(tf.Variable, arrays)


def learn(arrays, optimizer, part):
    """Take three steps on a batch that goes through a network in parts; return its weights."""
    import keras2  # noqa: F401
    import tf_keras as keras
    from descent import Learner

    plan = {"optimizer": optimizer, "logits": True, "image": [4, 4, 2]}
    plan |= {"part": part, "batch_size": len(arrays["labels"])}
    keras.utils.set_random_seed(0)
    x = image = keras.Input((4, 4, 2))
    x = keras.layers.Dense(5, activation="tanh")(keras.layers.Flatten()(x))
    network = keras.Model(image, keras.layers.Dense(3)(x))
    seen = []
    learner = Learner(network, plan, keras.optimizers.schedules.CosineDecay(0.05, 3))
    for _ in range(3):
        seen.append(list(learner.learn(arrays["images"], arrays["labels"])))
    return {"seen": seen}, dict(enumerate_weights(network))


def learn_by_keras(arrays, optimizer):
    """Take the same steps by Keras' own `fit`."""
    import keras2  # noqa: F401
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    x = image = keras.Input((4, 4, 2))
    x = keras.layers.Dense(5, activation="tanh")(keras.layers.Flatten()(x))
    network = keras.Model(image, keras.layers.Dense(3)(x))
    rate = keras.optimizers.schedules.CosineDecay(0.05, 3)
    made = {"sgd": keras.optimizers.SGD(rate, momentum=0.9), "adam": keras.optimizers.Adam(rate)}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(made[optimizer], loss)
    network.fit(arrays["images"], arrays["labels"], len(arrays["labels"]), epochs=3, verbose=0)
    return {}, dict(enumerate_weights(network))


def portions(arrays, shape, batch_norm, asked):
    """The portions of a network of one dense layer, and perhaps a batch-norm."""
    import keras2
    from portions import portions as portions_of

    description = {
        "inputs": [{"name": "image", "dtype": "float32", "shape": shape}],
        "layers": [
            {"name": "relu", "class_name": "ReLU", "options": {}, "weights": []},
            {"name": "norm", "class_name": "BatchNormalization", "options": {}, "weights": []},
        ][: 1 + batch_norm],
        "calls": [{"layer": "relu", "args": [{"tensor": "image"}], "options": {}, "output": "a"}],
        "outputs": {"logits": "a"},
    }
    return portions_of(keras2.build(description), description, asked), {}


def enumerate_weights(network):
    return ((f"{at}", values) for at, values in enumerate(network.get_weights()))
