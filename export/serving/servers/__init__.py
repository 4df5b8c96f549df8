"""What a server is given to serve: its settings, and manifests that run it."""
