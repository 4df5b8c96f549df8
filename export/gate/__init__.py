"""The gate that an artifact passes, and the proof that it can fail."""
