"""What the Keras model says, and what an artifact says: facts, and no verdicts."""
