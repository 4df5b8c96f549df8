"""Functions that Keras 2 computes in another way than Keras 3 does under their names.

They are registered, so that a model that has them can be saved, and loaded again.
"""

import keras


@keras.saving.register_keras_serializable("keras_nets.keras2")
def hard_sigmoid(x):
    """Keras 2's: 0.2 x + 0.5 between 0 and 1. That of Keras 3 has the slope 1/6."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)
