"""Which tensor holds which layer's output."""

from types import SimpleNamespace

from export.networks.layers import layer_scopes, layer_tensors

TENSORS = [
    "TRTEngineOp_000_000/conv1_pad/Pad:0",
    "TRTEngineOp_000_000/conv1/Conv2D:0",
    "TRTEngineOp_000_000/conv1/BiasAdd:0",
    "TRTEngineOp_000_000/stem/conv2/Relu:0",
    "StatefulPartitionedCall/logits_layer/MatMul:0",
    "logits",
]


def test_the_last_tensor_of_a_scope_is_the_layers():
    scopes = layer_scopes(["conv1_pad", "conv1", "stem/conv2", "logits"], [])
    assert layer_tensors(scopes, TENSORS, "logits") == {
        "conv1_pad": TENSORS[0],
        "conv1": TENSORS[2],
        "stem/conv2": TENSORS[3],
        "logits": "logits",
    }


def test_a_folded_layer_gives_its_place_to_the_batch_norm():
    norm = SimpleNamespace(name="norm1", into="conv1")
    free = SimpleNamespace(name="norm0", into="")
    scopes = layer_scopes(["norm0", "conv1", "norm1", "relu1"], [norm, free])
    assert scopes == {"norm0": "norm0", "norm1": "conv1", "relu1": "relu1"}


def test_a_layer_that_left_no_operation_has_no_tensor():
    scopes = layer_scopes(["conv1", "drop1", "logits"], [])
    assert list(layer_tensors(scopes, TENSORS, "logits")) == ["conv1", "logits"]
