"""Prune a kernel by tensorflow-model-optimization in little memory: imported by scripts.

The library sorts all values of a kernel together with their places, and builds 2:4 in arrays that
are several times as large as the kernel. Large kernels are pruned here by the same rules in less:
by a threshold that is found without sorting, and by a slice of output channels at a time.
"""

import keras2  # noqa: F401 (has Keras 2 taken, so it comes first)
import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl

PATTERN, M_BY_N = "2:4", (2, 4)
AT_ONCE = 1 << 21  # values


class Pruned:
    """A kernel, the `weight`, that a `schedule` of the library prunes to `what`, step by step."""

    def __init__(self, weight, what, schedule):
        self._weight = weight
        self._step = tf.Variable(0, dtype=tf.int64)
        self._mask, self._threshold = tf.Variable(tf.ones_like(weight)), tf.Variable(0.0)
        self._pruning = _Pruning(
            training_step_fn=lambda: self._step,
            pruning_vars=[(weight, self._mask, self._threshold)],
            pruning_schedule=schedule,
            block_size=(1, 1),
            block_pooling_type="AVG",
            sparsity_m_by_n=M_BY_N if what == PATTERN else None,
        )

    @property
    def variables(self):
        """What has to be kept to go on later, the kernel apart."""
        return [self._step, self._mask]

    def advance(self):
        """Begin a step: choose anew what is zero, where that is due, and make it so."""
        self._step.assign_add(1)
        self._pruning.conditional_mask_update()
        self.hold()

    def hold(self):
        """Make zero again what training has moved."""
        self._pruning.weight_mask_op()


class _Pruning(pruning_impl.Pruning):
    """The library's own, but for what it does with large kernels."""

    def _update_mask(self, weights):
        size = weights.shape.num_elements()
        if size <= AT_ONCE:
            return super()._update_mask(weights)
        share = self._pruning_schedule(self._step_fn())[1]
        kept = max(int(tf.round(tf.cast(size, tf.float32) * (1 - share))), 1)
        values = weights.numpy().reshape(-1)
        np.abs(values, out=values)
        values.partition(size - kept)
        threshold = values[size - kept]
        del values
        return threshold, tf.cast(tf.abs(weights) >= threshold, weights.dtype)

    def _update_mask_sparsity_m_by_n(self, weights, m_by_n=M_BY_N):
        make = super()._update_mask_sparsity_m_by_n
        return tf.concat([make(weights[..., one], m_by_n) for one in channels(weights.shape)], -1)


def channels(shape):
    """Slices of the last axis of a kernel of this shape, AT_ONCE values each."""
    step = max(1, AT_ONCE // int(np.prod(shape[:-1])))
    return [slice(start, start + step) for start in range(0, shape[-1], step)]
