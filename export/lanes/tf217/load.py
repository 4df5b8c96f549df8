"""Load a TF-TRT SavedModel and tell what that took: a script for a lane.

The job names the `model` (a SavedModel folder) and what to `do`: "load" it as Python does,
"session" to load it into a session as TensorFlow Serving does, or "resave" to put its graph into a
function, as TensorFlow's own converter does, and save that under `resaved`.
Needs neither a GPU nor TensorRT, because nothing is run.
"""

import pathlib
import resource
import time


def resave(tf, model, folder):
    """Save the graph of `model` as a function, the form of TrtGraphConverterV2.save."""
    from tensorflow.core.protobuf import saved_model_pb2

    data = (pathlib.Path(model) / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(data).meta_graphs
    signature = meta_graph.signature_def["serving_default"]
    sizes = [dim.size for dim in signature.inputs["image"].tensor_shape.dim][1:]

    @tf.function(input_signature=[tf.TensorSpec([None, *sizes], tf.float32, name="image")])
    def serve(image):
        (logits,) = tf.graph_util.import_graph_def(
            meta_graph.graph_def, {"image:0": image}, ["logits:0"], name=""
        )
        return {"logits": logits}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, folder, signatures={"serving_default": serve})


def work(job, arrays):
    import tensorflow as tf
    from tensorflow.python.compiler.tensorrt import trt_convert  # noqa: F401 (registers the engine)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    started = time.monotonic()
    if job["do"] == "resave":
        resave(tf, job["model"], job["resaved"])
    elif job["do"] == "session":
        session = tf.compat.v1.Session(graph=tf.Graph())
        tf.compat.v1.saved_model.load(session, ["serve"], job["model"])
    else:
        loaded = tf.saved_model.load(job["model"])
        if "serving_default" not in loaded.signatures:
            raise ValueError(f"{job['model']} has no signature serving_default")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = time.monotonic() - started
    return {"seconds": seconds, "imports_bytes": before, "peak_bytes": peak}, {}
