"""A network as a graph that can be run, tapped and changed, its weights apart."""
