"""A verified artifact of a toy network, as the exporter leaves one, for the tests of serving."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IMAGE, CLASSES = (8, 8, 3), 6
LABELS = ("ant", "bee", "cat", "dog", "eel", "fox")
BATCH_SIZES = (1, 4, 8)


@dataclass(frozen=True)
class ToyRecipe:
    """The preprocessing of the toy."""

    crop: int = 8
    short: int = 9
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)
    resample: str = "opencv"
    order: str = "rgb"


def toy_logits(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """What the toy of `seed` computes, in numpy: (batch, 8, 8, 3) -> (batch, 6)."""
    return images.reshape(len(images), -1) @ toy_kernel(seed)


def toy_kernel(seed: int) -> np.ndarray:
    count = int(np.prod(IMAGE))
    return np.random.default_rng(seed).standard_normal((count, CLASSES)).astype(np.float32) / 8


def make_toy(out: Path, *, model: str = "toy", seed: int = 0, classify: bool = True) -> Path:
    """Save the toy under `out` and return the folder of its report."""
    import tensorflow as tf

    from export.signatures.classify import classify as classifier

    folder = out / model / "savedmodel"
    module = tf.Module()
    module.kernel = tf.Variable(toy_kernel(seed))

    def network(image):
        return tf.reshape(image, (-1, len(toy_kernel(seed)))) @ module.kernel

    signature = [tf.TensorSpec((None, *IMAGE), tf.float32, name="image")]
    module.serve = tf.function(lambda image: {"logits": network(image)}, signature)
    signatures = {"serving_default": module.serve}
    if classify:
        module.classify = classifier(network, ToyRecipe(), LABELS)
        signatures["classify"] = module.classify
    tf.saved_model.save(module, str(folder / "1"), signatures=signatures)
    write_report(folder, model=model)
    return folder


PAIR = {  # a contract of several inputs and outputs, of several types, with a free axis
    "inputs": [
        {"name": "ids", "dtype": "int32", "shape": ["batch", "time"]},
        {"name": "heard", "dtype": "bool", "shape": ["batch", "time"]},
    ],
    "outputs": [
        {"name": "mean", "dtype": "float32", "shape": ["batch", 3]},
        {"name": "count", "dtype": "int64", "shape": ["batch"]},
    ],
}
VOCABULARY = 5


def pair_outputs(ids: np.ndarray, heard: np.ndarray) -> dict:
    """What the pair computes, in numpy."""
    table = np.arange(VOCABULARY * 3, dtype=np.float32).reshape(VOCABULARY, 3)
    return {"mean": table[ids].mean(axis=1), "count": heard.sum(axis=1).astype(np.int64)}


def make_pair(out: Path, *, model: str = "pair") -> Path:
    """Save a network of ids and flags under `out`, and return the folder of its report."""
    import tensorflow as tf

    module = tf.Module()
    module.table = tf.Variable(np.arange(VOCABULARY * 3, dtype=np.float32).reshape(-1, 3))

    def network(ids, heard):
        mean = tf.reduce_mean(tf.gather(module.table, ids), axis=1)  # an id past the end fails
        return {"mean": mean, "count": tf.reduce_sum(tf.cast(heard, tf.int64), axis=1)}

    specs = [tf.TensorSpec((None, None), tf.int32, "ids")]
    specs.append(tf.TensorSpec((None, None), tf.bool, "heard"))
    module.serve = tf.function(network, specs)
    folder = out / model / "savedmodel"
    tf.saved_model.save(module, str(folder / "1"), signatures=module.serve)
    options = {"batch_sizes": list(BATCH_SIZES), "flavour": ""}
    write_report(folder, model=model, contract=PAIR, options=options)
    return folder


def make_onnx(out: Path, *, model: str = "toy", seed: int = 0) -> Path:
    """Write the toy as ONNX under `out` and return the folder of its report."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel = toy_kernel(seed)
    shape = np.array([-1, len(kernel)])
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["image", "shape"], ["rows"]),
            helper.make_node("MatMul", ["rows", "kernel"], ["logits"]),
        ],
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(shape, "shape")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = out / model / "onnx"
    folder.mkdir(parents=True)
    onnx.save(made, folder / "model.onnx")
    write_report(folder, model=model, format="onnx")
    return folder


def write_report(folder: Path, **changes) -> None:
    """Write report.json for the files in `folder`; `changes` replace its top-level fields."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "report.json"
    }
    report = {
        "schema": 1,
        "model": "toy",
        "format": "savedmodel",
        "passed": True,
        "weights": {"source": "seeded:0", "sha256": "0" * 64},
        "artifact": {"bytes": 1, "files": files},
        "checks": [{"name": "parity", "status": "passed"}],
        "options": {
            "classes": CLASSES,
            "image": list(IMAGE),
            "flavour": "paddle",
            "batch_sizes": list(BATCH_SIZES),
        },
        "cost": {"wall_s": 1.0, "cpu_s": 1.0, "peak_rss_bytes": 1},
        "environment": {},
        "command": [],
    }
    (folder / "report.json").write_text(json.dumps(report | changes), encoding="utf-8")


def make_tftrt(out: Path, *, model: str = "toy", padding: int = 0) -> Path:
    """Save a graph of one TRTEngineOp, which no TensorFlow here can load, as the exporter does.

    `padding` bytes of constant stand for the weights.
    """
    from export.serving.protos import messages

    meta = messages().MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    signature = meta.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for infos, name, shape in (
        (signature.inputs, "image", (-1, *IMAGE)),
        (signature.outputs, "logits", (-1, CLASSES)),
    ):
        infos[name].name = f"{name}:0"
        infos[name].dtype = 1
        for side in shape:
            infos[name].tensor_shape.dim.add(size=side)
    meta.graph_def.node.add(name="image", op="Placeholder")
    function = meta.graph_def.library.function.add()
    weights = function.node_def.add(name="weights", op="Const")
    weights.attr["value"].tensor.tensor_content = b"w" * padding
    function.node_def.add(name="TRTEngineOp_000_000", op="TRTEngineOp")
    function.node_def.add(name="handle", op="CreateTRTResourceHandle")
    body = meta.SerializeToString()
    size, prefix = len(body), bytearray()
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    folder = out / model / "tftrt-fp16"
    (folder / "1").mkdir(parents=True)
    # SavedModel: schema version (field 1) and one meta graph (field 2).
    (folder / "1" / "saved_model.pb").write_bytes(b"\x08\x01\x12" + bytes([*prefix, size]) + body)
    write_report(folder, model=model, format="tftrt-fp16")
    return folder
