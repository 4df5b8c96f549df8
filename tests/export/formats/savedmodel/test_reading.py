"""What is observed of a SavedModel is what a server would serve, whatever Python would load."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from export.errors import ArtifactError
from export.formats import FORMATS, open_network
from export.formats.savedmodel.reading import read_served
from export.observe.probes import probes


def served_by_tensorflow(folder, images):
    """The logits by TensorFlow's own session loader."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder / "1"))
        signature = meta_graph.signature_def["serving_default"]
        return session.run(
            signature.outputs["logits"].name, {signature.inputs["image"].name: images}
        )


@pytest.fixture
def edited(written, tmp_path):
    """A function (change) -> a copy of the artifact of `plain`, its MetaGraphDef changed."""

    def edit(change):
        folder = shutil.copytree(written("plain", "savedmodel"), tmp_path / "edited")
        file = folder / "1" / "saved_model.pb"
        model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        change(model.meta_graphs[0])
        file.write_bytes(model.SerializeToString())
        return folder

    return edit


def negated(meta_graph):
    """What is served is not what Python loads any more."""
    output = meta_graph.signature_def["serving_default"].outputs["logits"]
    node = meta_graph.graph_def.node.add(op="Neg", name="negated", input=[output.name])
    node.attr["T"].type = 1
    output.name = "negated:0"


def other_objects(meta_graph):
    """What Python loads is not what is served any more: its weights are those of another bias."""
    for function in meta_graph.object_graph_def.concrete_functions.values():
        bound = list(function.bound_inputs)
        sizes = {
            k: str(meta_graph.object_graph_def.nodes[k].variable.shape) for k in sorted(set(bound))
        }
        same = [k for k in bound if list(sizes.values()).count(sizes[k]) > 1][:2]
        swap = {same[0]: same[1], same[1]: same[0]}
        function.bound_inputs[:] = [swap.get(k, k) for k in bound]


def functions_of(meta_graph, stem):
    return [f for f in meta_graph.graph_def.library.function if stem in f.signature.name]


def test_logits_are_those_of_tensorflows_session_loader(edited, logits_of):
    folder, images = edited(negated), probes((32, 32, 3), count=3)
    got = logits_of("savedmodel", folder, images)
    np.testing.assert_array_equal(got, served_by_tensorflow(folder, images))
    network = open_network("savedmodel", folder)
    run = network.build(network.graph)
    np.testing.assert_allclose(run({"image": images})["logits"], got, rtol=0, atol=2e-6)


def test_a_graph_that_serves_something_else_fails(edited, failures):
    failed = failures("plain", "savedmodel", edited(negated))
    assert set(failed) == {"contract", "parity"}
    assert "off by" in failed["contract"].note
    assert "from what a server loads" in failed["contract"].note


def test_objects_that_are_another_network_fail(edited, failures):
    failed = failures("plain", "savedmodel", edited(other_objects))
    assert set(failed) == {"contract"}
    assert "what Python loads gives logits that are off by" in failed["contract"].note


def test_objects_that_do_not_load_fail(edited, failures):
    def change(meta_graph):
        meta_graph.object_graph_def.nodes[0].children[0].node_id = 999

    failed = failures("plain", "savedmodel", edited(change))
    assert set(failed) == {"contract"}
    assert "a server loads it and Python does not" in failed["contract"].note


def swap_two_values(meta_graph):
    (restore,) = functions_of(meta_graph, "_traced_restore")
    first, second = [node for node in restore.node_def if node.op == "AssignVariableOp"][:2]
    first.input[1], second.input[1] = second.input[1], first.input[1]


def test_variables_are_known_by_what_they_are_restored_from(written, edited):
    plain = read_served(written("plain", "savedmodel")).keys
    swapped = read_served(edited(swap_two_values)).keys
    assert sorted(plain.values()) == sorted(swapped.values())
    assert sum(plain[handle] != swapped[handle] for handle in plain) == 2


def test_a_variable_that_is_restored_from_another_tensor_fails(edited, failures):
    assert "contract" in failures("plain", "savedmodel", edited(swap_two_values))


def from_elsewhere(meta_graph):
    (restore,) = functions_of(meta_graph, "_traced_restore")
    reader = next(node for node in restore.node_def if node.op == "RestoreV2")
    path = restore.node_def.add(op="Const", name="path")
    path.attr["dtype"].type = 7
    path.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/another/checkpoint"))
    reader.input[0] = "path:output:0"


def by_another_name(meta_graph):
    meta_graph.saver_def.filename_tensor_name = "Const:0"


def changed_on_the_way(meta_graph):
    (restore,) = functions_of(meta_graph, "_traced_restore")
    assign = next(node for node in restore.node_def if node.op == "AssignVariableOp")
    constant = restore.node_def.add(op="Const", name="value")
    constant.attr["dtype"].type = 1
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(0)))
    assign.input[1] = "value:output:0"


def in_part(meta_graph):
    (restore,) = functions_of(meta_graph, "_traced_restore")
    for node in restore.node_def:
        if node.op == "Const":
            values = node.attr["value"].tensor.string_val
            if not any(values):
                del values[:]
                size = node.attr["value"].tensor.tensor_shape.dim[0].size
                values.extend([b"4 0,2"] * size)


def nothing_restored(meta_graph):
    (restore,) = functions_of(meta_graph, "_traced_restore")
    assign = next(node for node in restore.node_def if node.op == "AssignVariableOp")
    restore.node_def.remove(assign)


def one_variable_twice(meta_graph):
    handles = [node for node in meta_graph.graph_def.node if node.op == "VarHandleOp"]
    handles[0].attr["shared_name"].s = handles[1].attr["shared_name"].s


def restored_while_serving(meta_graph):
    meta_graph.signature_def["serving_default"].outputs[
        "logits"
    ].name = f"{meta_graph.saver_def.restore_op_name}:0"


def saved_by_objects(meta_graph):
    (save,) = functions_of(meta_graph, "_traced_save")
    functions = meta_graph.object_graph_def.concrete_functions
    functions[save.signature.name].bound_inputs.extend([0])


def saved_by_another_function(meta_graph):
    (save,) = functions_of(meta_graph, "_traced_save")
    node = meta_graph.graph_def.node.add(op="PartitionedCall", name="evil")
    node.attr["f"].func.name = save.signature.name


def an_object_that_loads_itself(meta_graph):
    meta_graph.object_graph_def.nodes.add().resource.device = "CPU"


def a_bound_path(meta_graph):
    objects = meta_graph.object_graph_def
    next(iter(objects.concrete_functions.values())).bound_inputs.append(0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (from_elsewhere, "from elsewhere than its own checkpoint"),
        (by_another_name, "variables as TensorFlow does"),
        (changed_on_the_way, "after it is read from the checkpoint"),
        (in_part, "in part or not at all"),
        (nothing_restored, "without a value"),
        (one_variable_twice, "two nodes for one variable"),
        (restored_while_serving, "when it is asked something"),
        (saved_by_objects, "in more places than one"),
        (saved_by_another_function, "in more places than one"),
        (an_object_that_loads_itself, "an object of kind 'resource'"),
        (a_bound_path, "to what is no variable"),
    ],
)
def test_variables_from_anywhere_but_the_checkpoint_are_refused(edited, change, why):
    with pytest.raises(ArtifactError, match=why):
        FORMATS["savedmodel"].open(edited(change))
