"""Accuracy of artifacts on labelled pictures, several side by side.

`examples` says which picture has which label, `subjects` which networks are asked. An `engine`
answers: that of this machine, `local`, decodes in worker processes (`readers`) and runs one subject
at a time in a process of its own (`predictor`); that of many machines, `on_ray`, has actors that do
both. `ranks` keeps each picture's best classes so that an interrupted evaluation goes on, `run`
ties them together, `scores` and `table` sum them up.
"""
