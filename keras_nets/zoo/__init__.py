"""Architectures beyond the catalog: what exporting is tried on, from attention to tables of words.

`listing.ARCHITECTURES` has them all. Functions of the other modules build them, small, with weights
of a seed, and are what `--model keras_nets.zoo.pictures:vit` names.
"""
