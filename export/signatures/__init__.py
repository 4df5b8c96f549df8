"""Signatures of an artifact: what clients can call, and what each is called."""

SIGNATURE = "serving_default"  # an image in, logits out
CLASSIFY = "classify"  # encoded pictures in, names and probabilities out
