"""Weights for a network: drawn from a seed, or read from a file of another framework."""

from keras_nets.weights.seeded import seed_weights

__all__ = ["seed_weights"]
