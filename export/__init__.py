"""Export Keras networks to artifacts that servers run, and prove that each is its network."""
