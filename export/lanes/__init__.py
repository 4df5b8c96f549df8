"""Lanes: private environments for work that needs another TensorFlow.

A lane is made on first use, once, under the user's cache folder or `KERAS_NETS_LANES`, and then
driven as a child process with files and JSON.
"""

from export.lanes.lane import (
    LANES,
    Lane,
    State,
    find_lane,
    lanes_folder,
    leftovers,
    make,
    run_in_lane,
)

__all__ = [
    "LANES",
    "Lane",
    "State",
    "find_lane",
    "lanes_folder",
    "leftovers",
    "make",
    "run_in_lane",
]
