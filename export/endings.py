"""A final softmax or sigmoid, undone: probabilities are compared as the logits behind them.

A softmax hides what happens to every class but the likeliest, so outputs are compared before it.
Its logarithm is the logits but for a number that all classes of a row share, which changes nothing
that the softmax gives.
"""

import numpy as np

SOFTMAX, SIGMOID = "softmax", "sigmoid"
KINDS = {"Softmax": SOFTMAX, "Sigmoid": SIGMOID}  # by TensorFlow's operation
SMALLEST = {False: 1e-37, True: 2.0**-14}  # normal numbers of float32, and of float16
NEAREST = {False: 2.0**-8, True: 2.0**-5}  # to one: nearer, rounding hides what the logit was


def undone(values: np.ndarray, ending: str, *, coarse: bool = False) -> np.ndarray:
    """Return the logits behind `values` that ended in a softmax or sigmoid; others as they are.

    `coarse` is for what is computed in float16, which holds no probability below 2**-14. What is no
    probability, a NaN for one, becomes NaN.
    """
    if not ending:
        return values
    least = SMALLEST[coarse]
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = np.where((values >= 0) & (values <= 1.001), np.float64(values), np.nan)
        low = np.log(np.maximum(exact, least))
        if ending == SOFTMAX:
            return low
        return low - np.log(np.maximum(1 - exact, NEAREST[coarse]))
