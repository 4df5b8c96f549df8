"""TensorFlow 2.17, the last with TF-TRT: it converts graphs, and runs their engines on a GPU."""

from pathlib import Path

from export.lanes.lane import LINUX_X86, Lane

LANE = Lane(
    home=Path(__file__).resolve().parent,
    purpose="TensorFlow 2.17.1, the last with TF-TRT",
    machines=(LINUX_X86,),
    pythons=((3, 12), (3, 11), (3, 10), (3, 9)),
    probe="import tensorflow.python.compiler.tensorrt.trt_convert",
    download_mb=640,
    disk_mb=2000,
    minutes=2,
)
