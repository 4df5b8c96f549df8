"""What TF Serving, Docker, Kubernetes and Triton would refuse or silently ignore, a file each."""
