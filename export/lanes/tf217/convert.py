"""Run TensorFlow 2.17's TF-TRT pass on a graph: a script for a lane.

The array `graph` is a GraphDef to convert, in bytes, and so is the array `converted`. The job gives
`outputs`, `precision`, `minimum_segment_size`, `maximum_cached_engines`, `explicit_batch`. The
registered grappler pass is driven directly: only its Python wrapper needs a GPU and the TensorRT
libraries.

It lies in TensorFlow's libraries, so what `import tensorflow` runs is left out: that takes 5 s, and
this 0.3 s. The lane has one release of TensorFlow, whose modules do not move.
"""

import importlib.util
import os
import sys
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the pass must give the same graph with and without one
PROFILE = "ImplicitBatchModeCompatible"


def without_init(package):
    """Make the modules below `package` importable, and run none of the package's own code."""
    bare = types.ModuleType(package)
    bare.__path__ = list(importlib.util.find_spec(package).submodule_search_locations)
    sys.modules[package] = bare


without_init("tensorflow")
from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils  # noqa: E402, F401 (registers the pass)
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2  # noqa: E402
from tensorflow.python.framework import errors_impl, op_def_registry  # noqa: E402, F401 (raised)
from tensorflow.python.grappler import tf_optimizer  # noqa: E402


def rewriter(job):
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
    tensorrt.parameter_map["use_implicit_batch"].b = not job["explicit_batch"]
    if job["explicit_batch"]:  # one engine serves every batch from 1 to that of the first call
        tensorrt.parameter_map["profile_strategy"].s = PROFILE.encode()
    return config


def refuse_unknown(graph):
    """Raise ValueError for an operation that this TensorFlow lacks: the pass would do nothing."""
    functions = {function.signature.name for function in graph.library.function}
    bodies = (function.node_def for function in graph.library.function)
    for node in (node for nodes in (graph.node, *bodies) for node in nodes):
        if node.op not in functions and op_def_registry.get(node.op) is None:
            raise ValueError(f"TensorFlow 2.17 has no operation {node.op}, which {node.name} is")


def work(job, arrays):
    import numpy as np

    meta_graph = meta_graph_pb2.MetaGraphDef()
    meta_graph.graph_def.ParseFromString(arrays["graph"].tobytes())
    refuse_unknown(meta_graph.graph_def)
    meta_graph.collection_def["train_op"].node_list.value.extend(job["outputs"])
    converted = tf_optimizer.OptimizeGraph(rewriter(job), meta_graph, graph_id=b"tf_graph")
    data = converted.SerializeToString(deterministic=True)
    return {}, {"converted": np.frombuffer(data, np.uint8)}
