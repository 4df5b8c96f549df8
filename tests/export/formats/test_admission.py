"""Artifacts that would do more than compute are refused before a runtime sees them."""

import os
import shutil

import numpy as np
import onnx
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from export.errors import ArtifactError
from export.formats import FORMATS, open_network

GRAPHS = ["savedmodel", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]
# Files, the network, Python, other processes, code in files: each by another road.
REACHING = [
    "ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "SaveV2",
    "RestoreV2", "MergeV2Checkpoints", "LoadAndRemapMatrix", "InitializeTableFromTextFileV2",
    "HashTableV2", "TextLineDatasetV2", "TFRecordReaderV2", "PrintV2", "RemoteCall",
    "CollectiveReduceV2", "GetSessionHandleV2", "XlaCustomCall", "ImmutableConst", "DecodeProtoV2",
    "DebugIdentityV2", "AssignVariableOp", "DeleteSessionTensor", "GenerateVocabRemapping",
    "RpcCall", "SymbolicGradient", "RandomUniform", "NoSuchOperation",
]  # fmt: skip


@pytest.fixture
def edited(written, tmp_path):
    """A function (format, change) -> a copy of the artifact of `plain` whose graph was changed."""

    def edit(format, change):
        folder = shutil.copytree(written("plain", format), tmp_path / format)
        file = folder / "1" / "saved_model.pb"
        model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        change(model)
        file.write_bytes(model.SerializeToString())
        return folder

    return edit


def refusal(format, folder) -> str:
    """Why an artifact is refused: the same by whatever door it comes in."""
    with pytest.raises(ArtifactError) as caught:
        FORMATS[format].open(folder)
    with pytest.raises(ArtifactError) as again:
        open_network(format, folder)
    assert str(caught.value) in str(again.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("format", GRAPHS)
@pytest.mark.parametrize("op", REACHING)
def test_an_operation_that_reaches_beyond_the_network_is_named(edited, format, op):
    folder = edited(format, lambda m: m.meta_graphs[0].graph_def.node.add(name="evil", op=op))
    assert f"holds the operation {op} (node 'evil')" in refusal(format, folder)


@pytest.mark.parametrize("format", GRAPHS)
def test_it_is_found_in_a_function_that_nothing_calls(edited, format):
    def change(model):
        function = model.meta_graphs[0].graph_def.library.function.add()
        function.signature.name = "aside"
        function.node_def.add(name="evil", op="WriteFile")

    why = refusal(format, edited(format, change))
    assert "WriteFile (node 'evil' of function 'aside')" in why


@pytest.mark.parametrize("format", GRAPHS)
def test_it_is_found_behind_a_function_with_an_innocent_name(edited, format):
    def change(model):
        graph = model.meta_graphs[0].graph_def
        function = graph.library.function.add()
        function.signature.name = "Relu"
        graph.node.add(name="evil", op="Relu")

    assert "Relu (node 'evil')" in refusal(format, edited(format, change))


def second_graph(model):
    model.meta_graphs.add().CopyFrom(model.meta_graphs[0])
    model.meta_graphs[1].meta_info_def.tags[:] = ["serve", "gpu"]


def another_tag(model):
    model.meta_graphs[0].meta_info_def.tags.append("gpu")


def another_signature(model):
    signatures = model.meta_graphs[0].signature_def
    signatures["evil"].CopyFrom(signatures["serving_default"])


def an_asset(model):
    model.meta_graphs[0].asset_file_def.add(filename="../../../etc/passwd").tensor_info.name = "x:0"


def a_collection(model):
    model.meta_graphs[0].collection_def["legacy_init_op"].node_list.value.append("image")


def a_start(model):
    graph = model.meta_graphs[0]
    graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "evil"
    graph.graph_def.node.add(name="evil", op="Identity", input=[graph.graph_def.node[0].name])


def a_far_device(model):
    model.meta_graphs[0].graph_def.node[0].device = "/job:evil/task:0"


def a_handle(model):
    node = model.meta_graphs[0].graph_def.node.add(name="evil", op="Const")
    node.attr["value"].tensor.dtype = 20


def a_lost_function(model):
    node = model.meta_graphs[0].graph_def.node.add(name="evil", op="PartitionedCall")
    node.attr["f"].func.name = "elsewhere"


@pytest.mark.parametrize("format", GRAPHS)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (second_graph, "holds 2 graphs instead of one"),
        (another_tag, "is tagged ['serve', 'gpu']"),
        (another_signature, "serves a signature 'evil'"),
        (an_asset, "reads the asset '../../../etc/passwd'"),
        (a_collection, "has a collection 'legacy_init_op'"),
        (a_start, "__saved_model_init_op"),
        (a_far_device, "is to run on '/job:evil/task:0'"),
        (a_handle, "is a resource, not numbers"),
        (a_lost_function, "calls 'elsewhere', which is not there"),
    ],
)
def test_what_a_server_might_take_instead_is_refused(edited, format, change, why):
    told = refusal(format, edited(format, change))
    assert why in told or (change is a_start and "when a server starts" in told)


ATTRIBUTES = {
    "static_engine": lambda node: node.attr["static_engyne"].CopyFrom(
        node.attr.pop("static_engine")
    ),
    "cached_engine_batches": lambda node: node.attr["cached_engine_batches"].Clear(),
    "_allow_build_at_runtime": lambda node: node.attr.pop("_allow_build_at_runtime"),
    "workspace_size_bytes": lambda node: setattr(node.attr["workspace_size_bytes"], "s", b"1"),
}


@pytest.mark.lane
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_engine_that_lacks_an_attribute_would_take_a_default_and_is_refused(edited, name):
    def change(model):
        nodes = model.meta_graphs[0].graph_def.node
        ATTRIBUTES[name](next(node for node in nodes if node.op == "TRTEngineOp"))

    why = refusal("tftrt-fp16", edited("tftrt-fp16", change))
    assert f"whose attribute {name!r} is not an engine's" in why


@pytest.mark.parametrize("format", GRAPHS)
def test_an_attribute_that_its_operation_does_not_know_is_refused(edited, format):
    def change(model):
        graph = model.meta_graphs[0].graph_def
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        conv = next(node for node in nodes if node.op == "Conv2D")
        conv.attr["paddyng"].CopyFrom(conv.attr.pop("padding"))

    assert "with an attribute 'paddyng' unknown to it" in refusal(format, edited(format, change))


@pytest.mark.lane
@pytest.mark.parametrize("key", ["serialized_segment", "calibration_data", "segment_funcdef_name"])
def test_an_engine_that_nobody_can_read_is_refused(edited, key):
    def change(model):
        for node in model.meta_graphs[0].graph_def.node:
            if node.op == "TRTEngineOp":
                node.attr[key].s = b"\x7fELF"

    assert f"whose {key} nothing here can read" in refusal(
        "tftrt-fp16", edited("tftrt-fp16", change)
    )


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("saved_model.pbtxt", lambda path: path.write_text("")),
        ("saved_model.cpb", lambda path: path.write_bytes(b"")),
        ("fingerprint.pb", lambda path: path.write_bytes(b"")),
        ("variables/variables.data-00000-of-00002", lambda path: path.write_bytes(b"")),
        ("assets/words.txt", lambda path: path.write_text("")),
        ("assets.extra", lambda path: path.symlink_to("/etc")),
        ("pipe", os.mkfifo),
    ],
)
def test_what_this_toolkit_does_not_write_there_is_refused(written, tmp_path, name, make):
    folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "more")
    (folder / "1" / name).parent.mkdir(exist_ok=True)
    make(folder / "1" / name)
    assert f"holds {name!r}" in refusal("savedmodel", folder)


def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(written, tmp_path):
    folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "pipe")
    (folder / "1" / "variables" / "variables.index").unlink()
    os.mkfifo(folder / "1" / "variables" / "variables.index")
    assert "which is no regular file" in refusal("savedmodel", folder)


@pytest.mark.parametrize("version", ["2", "007", "+3"])
def test_another_version_that_would_be_served_is_refused(written, tmp_path, version):
    folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "versions")
    (folder / version).mkdir()
    assert f"another version, {version!r}" in refusal("savedmodel", folder)


@pytest.fixture
def edited_onnx(written, tmp_path):
    """A function (change) -> a copy of the ONNX artifact of `plain` whose model was changed."""

    def edit(change):
        folder = shutil.copytree(written("plain", "onnx"), tmp_path / "onnx")
        model = onnx.load(folder / "model.onnx")
        change(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        return folder

    return edit


def in_a_branch(model):
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("EPContext", [], ["y"], "evil", domain="com.microsoft")],
        "body", [], [],
    )  # fmt: skip
    model.graph.node.add(op_type="If", name="if").attribute.add(
        name="then_branch", type=onnx.AttributeProto.GRAPH, g=body
    )


def an_own_function(model):
    model.functions.add(name="Relu", domain="evil")


def somewhere_else(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "../../etc/passwd", "offset": "0", "length": "4"}.items():
        tensor.external_data.add(key=key, value=value)


def a_constant_somewhere_else(model):
    held = onnx.TensorProto(name="held", data_type=1, dims=[1])
    held.data_location = onnx.TensorProto.EXTERNAL
    held.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.add(op_type="Constant", output=["c"]).attribute.add(
        name="value", type=onnx.AttributeProto.TENSOR, t=held
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda m: m.graph.node.add(op_type="Evil", name="n", domain="com.microsoft"),
            "holds the operation com.microsoft.Evil (node 'n')",
        ),
        (in_a_branch, "holds the operation com.microsoft.EPContext (node 'evil')"),
        (an_own_function, "defines its own operator 'Relu'"),
        (somewhere_else, "in '../../etc/passwd' instead of model.onnx.data"),
        (a_constant_somewhere_else, "in '/etc/passwd' instead of model.onnx.data"),
        (lambda m: m.training_info.add(), "a second graph, for training"),
    ],
)
def test_an_onnx_model_with_more_than_its_own_operators_is_refused(edited_onnx, change, why):
    assert why in refusal("onnx", edited_onnx(change))


@pytest.mark.parametrize("format", ["onnx", *GRAPHS])
@pytest.mark.parametrize("name", ["plain", "odd", "shared"])
def test_what_this_toolkit_writes_is_admitted(written, format, name):
    assert FORMATS[format].open(written(name, format)).graph["ops"]


def test_every_operation_on_the_list_exists_and_none_has_a_door():
    from export.formats import operations

    listed = operations.COMPUTE | operations.READ_VARIABLES
    unknown = [name for name in listed if not hasattr(tf.raw_ops, name)]
    assert unknown == []
    assert listed.isdisjoint(REACHING)
    doors = ("File", "Save", "Restore", "Dataset", "PyFunc", "Table", "Remote", "Send", "Recv")
    assert [name for name in listed for door in doors if door in name] == []


def test_a_mark_in_the_place_of_a_weight_is_damage(written, tmp_path):
    """What stands for a weight until it is read must not lie in a file itself."""
    folder = shutil.copytree(written("plain", "onnx"), tmp_path / "mark")
    model = onnx.load(folder / "model.onnx")
    biases = [t for t in model.graph.initializer if t.data_type == 1 and len(t.dims) == 1]
    biases[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros(3, np.float32), biases[0].name))
    biases[0].raw_data = b"\0stand-in:12"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "was never filled" in refusal("onnx", folder)
