"""Lanes: private environments for work that needs another TensorFlow.

A lane is made on first use, once, under the user's cache folder or `KERAS_NETS_LANES`, and then
driven as a child process that is asked by files of JSON and arrays. Adding one is a folder and a
word in registry.py.
"""

from export.lanes.asking import ask_in_lane, child_in_lane, need_success, run_in_lane
from export.lanes.lane import Lane, State, lanes_folder
from export.lanes.registry import LANES, check_lanes, find_lane, leftovers, make

__all__ = [
    "LANES",
    "Lane",
    "State",
    "ask_in_lane",
    "check_lanes",
    "child_in_lane",
    "find_lane",
    "lanes_folder",
    "leftovers",
    "make",
    "need_success",
    "run_in_lane",
]
