"""The ranges of a network's activations, taken from real pictures, for formats of 8 bits."""
