"""Steps down the gradient of a batch, of which a part is in memory at a time: imported by scripts.

The gradient of a batch is the sum of the gradients of its parts, each for its share of the
pictures. Activations are held of one part alone.
"""

import tensorflow as tf
import tf_keras as keras

MOMENTUM = 0.9


class Learner:
    """Trains a network on batches of images (batch, height, width, channels) and labels (batch,).

    `rate` is a schedule of Keras. The plan has the `optimizer`, the `image` and its `part`, the
    pictures that go through the network at once.
    """

    def __init__(self, network, plan, rate):
        self._network, self._size = network, plan["part"]
        self._weights = list(network.trainable_variables)
        self._loss = keras.losses.SparseCategoricalCrossentropy(from_logits=plan["logits"])
        several = plan["part"] < plan["batch_size"]
        self._way = _way(plan["optimizer"], several, self._weights, rate)
        images = tf.TensorSpec((None, *plan["image"]), tf.float32)
        labels, share = tf.TensorSpec((None,), tf.int64), tf.TensorSpec((), tf.float32)
        self._learn = tf.function(self._part, input_signature=[images, labels, share])

    @property
    def variables(self):
        """What has to be kept to go on later, the network apart."""
        return self._way.variables

    def learn(self, images, labels):
        """Take a step; yield the pictures, the loss and how many were right, part after part."""
        self._way.begin()
        for start in range(0, len(labels), self._size):
            part = slice(start, start + self._size)
            count = len(labels[part])
            loss, right = self._learn(images[part], labels[part], count / len(labels))
            yield count, float(loss), int(right)
        self._way.end()

    def _part(self, images, labels, share):
        with tf.GradientTape() as tape:
            made = self._network(images, training=True)
            loss = self._loss(labels, made)
            weighed = loss * share
        self._way.add(tape.gradient(weighed, self._weights))
        right = tf.equal(tf.argmax(made, axis=-1), labels)
        return loss, tf.math.count_nonzero(right)


def _way(optimizer, several, variables, rate):
    if optimizer == "sgd":
        return _Momentum(variables, rate)
    made = keras.optimizers.Adam(rate)
    made.build(variables)
    return (_Summed if several else _Whole)(variables, made)


class _Momentum:
    """SGD with momentum, which takes in the gradients of parts as they come and holds none."""

    def __init__(self, weights, rate):
        self._weights, self._rate = weights, rate
        self._step = tf.Variable(0, dtype=tf.int64)
        self._slots = _zeros(weights)

    @property
    def variables(self):
        return [self._step, *self._slots]

    def begin(self):
        for slot in self._slots:
            slot.assign(slot * MOMENTUM)

    def add(self, gradients):
        rate = self._rate(self._step)
        for slot, gradient in zip(self._slots, gradients):  # noqa: B905 (Python 3.9 has no strict)
            if gradient is not None:
                slot.assign_sub(gradient * rate)

    def end(self):
        for weight, slot in zip(self._weights, self._slots):  # noqa: B905
            weight.assign_add(slot)
        self._step.assign_add(1)


class _Whole:
    """An optimizer of Keras, on a batch in one part."""

    def __init__(self, weights, optimizer):
        self._weights, self._optimizer = weights, optimizer

    @property
    def variables(self):
        return list(self._optimizer.variables)

    def begin(self):
        pass

    def add(self, gradients):
        self._optimizer.apply_gradients(zip(gradients, self._weights))  # noqa: B905

    def end(self):
        pass


class _Summed(_Whole):
    """An optimizer of Keras, on the sum of the gradients of all parts."""

    def __init__(self, weights, optimizer):
        super().__init__(weights, optimizer)
        self._sums = _zeros(weights)

    def begin(self):
        for one in self._sums:
            one.assign(tf.zeros_like(one))

    def add(self, gradients):
        for one, gradient in zip(self._sums, gradients):  # noqa: B905
            if gradient is not None:
                one.assign_add(gradient)

    def end(self):
        super().add(map(tf.convert_to_tensor, self._sums))


def _zeros(weights):
    return [tf.Variable(tf.zeros(one.shape, one.dtype), trainable=False) for one in weights]
