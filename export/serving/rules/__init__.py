"""Rules on what TF Serving, Docker, Kubernetes and Triton would refuse or silently ignore.

The docstring of a rule says what should be true; a finding says what is not, and what follows.
"""
