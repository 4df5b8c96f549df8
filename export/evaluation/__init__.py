"""Accuracy of artifacts on labelled pictures, several side by side.

`examples` says which picture has which label, `readers` decodes in worker processes, `predictor`
runs one subject in a process of its own, `ranks` keeps each picture's best classes so that an
interrupted evaluation goes on, `run` ties them together, `scores` and `table` sum them up.
"""
