"""Signatures besides `serving_default`, joined to a network's graph when it is exported."""
