"""Settings of the servers, and manifests that run them."""
