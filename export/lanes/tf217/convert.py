"""Run TensorFlow 2.17's TF-TRT pass on a graph: a script for a lane.

The array `graph` is a GraphDef to convert, in bytes, and so is the array `converted`. The job gives
`outputs`, `precision`, `minimum_segment_size`, `maximum_cached_engines`. The registered grappler
pass is driven directly: only its Python wrapper needs a GPU and the TensorRT libraries.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the pass must give the same graph with and without one


def rewriter(job, config_pb2):
    """Return the configuration of TrtGraphConverterV2, less what needs a device or a library."""
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.remapping = False  # fused operations are unknown to TF-TRT
    rewrite.experimental_disable_folding_quantization_emulation = True
    rewrite.meta_optimizer_iterations = 1  # ONE
    # The skeleton comes simplified. Every further optimizer costs one more copy of all constants,
    # and common-subexpression elimination or folding could merge or eat stand-ins.
    rewrite.optimizers.append("pruning")
    tensorrt = rewrite.custom_optimizers.add()
    tensorrt.name = "TensorRTOptimizer"
    tensorrt.parameter_map["precision_mode"].s = job["precision"].encode()
    tensorrt.parameter_map["minimum_segment_size"].i = job["minimum_segment_size"]
    tensorrt.parameter_map["maximum_cached_engines"].i = job["maximum_cached_engines"]
    tensorrt.parameter_map["max_workspace_size_bytes"].i = 1 << 30
    tensorrt.parameter_map["use_calibration"].b = False
    tensorrt.parameter_map["is_dynamic_op"].b = True  # engines are built where they run
    tensorrt.parameter_map["allow_build_at_runtime"].b = True
    tensorrt.parameter_map["use_implicit_batch"].b = True
    return config


def work(job, arrays):
    import numpy as np
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
    from tensorflow.python.compiler.tensorrt import trt_convert  # noqa: F401 (registers the pass)
    from tensorflow.python.grappler import tf_optimizer

    graph_def = tf.compat.v1.GraphDef.FromString(arrays["graph"].tobytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph_def, graph=graph)
    fetches = meta_graph_pb2.CollectionDef()
    fetches.node_list.value.extend(job["outputs"])
    meta_graph.collection_def["train_op"].CopyFrom(fetches)
    converted = tf_optimizer.OptimizeGraph(
        rewriter(job, config_pb2), meta_graph, graph_id=b"tf_graph"
    )
    data = converted.SerializeToString(deterministic=True)
    return {}, {"converted": np.frombuffer(data, np.uint8)}
