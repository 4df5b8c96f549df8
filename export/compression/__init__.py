"""Smaller networks: tensorflow-model-optimization prunes, clusters and trains them for int8.

A Keras 3 model is described layer by layer (twin.py), built again of Keras 2 in the lane `tfmot`
and compressed there (asking.py), and gets its new weights back (compress.py). What was done is
written beside it as compression.json (content.py), which an export carries into its report.
"""
