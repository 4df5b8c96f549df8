"""tensorflow-model-optimization, which prunes, clusters and quantises networks of Keras 2."""

from pathlib import Path

from export.lanes.lane import LINUX_X86, Lane

LANE = Lane(
    home=Path(__file__).resolve().parent,
    purpose="tensorflow-model-optimization 0.8, which needs Keras 2",
    machines=(LINUX_X86,),
    pythons=((3, 13), (3, 12), (3, 11), (3, 10)),
    # It looks for Keras 2 only where this variable asks for it, and fails on Keras 3 otherwise.
    probe="import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; "
    "import tensorflow_model_optimization",
    download_mb=640,
    disk_mb=2300,
    minutes=2,
)
