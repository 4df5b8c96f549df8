"""Open OpenVINO's IR as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

from export.formats.openvino.reading import MODEL, read_ir
from export.lazy import need
from export.networks.openvino import OpenVinoNetwork


def open_network(folder: Path) -> OpenVinoNetwork:
    """Open the graph in `folder`; it computes in 32 bits, so nothing in it rounds but its weights.

    They are read from the file when they are asked for.
    """
    ir = read_ir(folder)
    openvino = need("openvino", to="running OpenVINO's IR")
    layers = {layer.get("name"): layer for layer in ir.weights()}
    return OpenVinoNetwork(
        openvino.Core().read_model(folder / MODEL),
        frozenset(layers),
        lambda name: ir.read(layers[name]),
        lambda name, values: ir.held(layers[name], values),
    )
