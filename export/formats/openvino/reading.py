"""Open OpenVINO's IR: what it declares, and the weights that it holds.

The graph is read as text here, before OpenVINO sees it: nothing but OpenVINO's own operations may
be in it, and every constant must lie in the file beside it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from export.contract import Tensor
from export.errors import ArtifactError
from export.formats.admission import refused
from export.formats.base import Found, Opened
from export.formats.names import OPENVINO

MODEL, WEIGHTS = "model.xml", "model.bin"
FLOATS = {"f32": "<f4", "f16": "<f2"}
DTYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "boolean": "bool"}
INTEGER = re.compile(r"([iu])(8|16|32|64)")
OWN = re.compile(r"opset\d+")  # the versions of OpenVINO's own operations
STATEFUL = ("Assign", "ReadValue")  # what one run leaves for the next
# The axes that turn a kernel to Keras' order, by the operation that takes it.
KERNELS = {
    "Convolution": lambda n: (*range(2, n), 1, 0),
    "ConvolutionBackpropData": lambda n: (*range(2, n), 1, 0),
    "GroupConvolution": lambda n: (*range(3, n), 2, 0, 1),
    "GroupConvolutionBackpropData": lambda n: (*range(3, n), 2, 0, 1),
}


@dataclass(frozen=True)
class Ir:
    """The graph of an artifact, and the file of its constants."""

    path: Path  # of model.xml
    net: ElementTree.Element

    @property
    def layers(self) -> list[ElementTree.Element]:
        """The layers of the network itself, without the bodies of loops, in running order."""
        return list(self.net.find("layers"))

    @cached_property
    def by_id(self) -> dict[str, ElementTree.Element]:
        return {layer.get("id"): layer for layer in self.layers}

    @cached_property
    def sources(self) -> dict[str, list[tuple[str, str]]]:
        """The ids and ports of the layers that each layer reads, in the order of its ports."""
        found = {}
        for edge in self.net.find("edges") or ():
            place = (int(edge.get("to-port")), edge.get("from-layer"), edge.get("from-port"))
            found.setdefault(edge.get("to-layer"), []).append(place)
        return {name: [place[1:] for place in sorted(places)] for name, places in found.items()}

    @cached_property
    def readers(self) -> dict[str, tuple[str, int]]:
        """The operation that reads each layer, and the number of its input."""
        found = {}
        for name, sources in self.sources.items():
            for at, (source, _) in enumerate(sources):
                found.setdefault(source, (name, at))
        return found

    def weights(self) -> Iterator[ElementTree.Element]:
        """Constants of floats."""
        for layer in self.layers:
            if layer.get("type") == "Const" and layer.find("data").get("element_type") in FLOATS:
                yield layer

    def values(self, layer: ElementTree.Element) -> np.ndarray:
        """What a constant holds, as float32, of its own shape."""
        data = layer.find("data")
        dtype, shape = np.dtype(FLOATS[data.get("element_type")]), shape_of(data)
        start, file = int(data.get("offset")), self.path.with_name(WEIGHTS)
        held = np.fromfile(file, dtype, prod(shape), offset=start)
        return held.reshape(shape).astype(np.float32, copy=False)

    def read(self, layer: ElementTree.Element) -> np.ndarray:
        """The same in the layout that Keras keeps it in."""
        values = self.values(layer).transpose(self._axes(layer))
        return values.reshape(-1) if self._is_vector(layer) else values

    def held(self, layer: ElementTree.Element, values: np.ndarray) -> np.ndarray:
        """Values as Keras keeps them in the layout of the constant that `read` gives so."""
        axes, shape = self._axes(layer), shape_of(layer.find("data"))
        turned = values.reshape([shape[axis] for axis in axes]).transpose(np.argsort(axes))
        return np.ascontiguousarray(turned, np.float32)

    def _axes(self, layer: ElementTree.Element) -> tuple[int, ...]:
        """The order of axes in which Keras keeps a constant."""
        (reader, at), rank = self._reader(layer), len(shape_of(layer.find("data")))
        kind = reader.get("type") if reader is not None and at == 1 else ""
        if kind in KERNELS:
            return KERNELS[kind](rank)
        if kind == "MatMul" and reader.find("data").get("transpose_b") == "true":
            return (*range(rank - 2), rank - 1, rank - 2)
        return tuple(range(rank))

    def _is_vector(self, layer: ElementTree.Element) -> bool:
        """Whether it is a bias, of which OpenVINO has as many axes as of what it is added to."""
        (reader, _), shape = self._reader(layer), shape_of(layer.find("data"))
        added = reader is not None and reader.get("type") == "Add"
        return added and len(shape) > 2 and shape[1] == prod(shape)

    def _reader(self, layer: ElementTree.Element) -> tuple[ElementTree.Element | None, int]:
        """The operation that reads a constant as floats of 32 bits, and as which input."""
        name, at = self.readers.get(layer.get("id"), ("", 0))
        while name and self.by_id[name].get("type") == "Convert":
            name, at = self.readers.get(name, ("", 0))
        return (self.by_id[name] if name else None), at


def shape_of(data: ElementTree.Element) -> tuple[int, ...]:
    """The shape that a layer's `data` states."""
    return tuple(int(size) for size in (data.get("shape") or "").split(",") if size.strip())


def read_ir(folder: Path) -> Ir:
    """Read the graph of the artifact in `folder`; raise ArtifactError where there is none."""
    path = folder / MODEL
    if not path.is_file():
        raise ArtifactError(f"{folder} has no {MODEL}; export it again")
    content = path.read_bytes()
    if b"<!" in content:  # a document type, whose entities could be anything
        raise refused(path, "declares what a graph does not need")
    with _sound(path):
        ir = Ir(path, ElementTree.fromstring(content))
        _check(ir)
    return ir


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Raise ArtifactError where what the file at `path` says makes no sense."""
    try:
        yield
    except (ElementTree.ParseError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ArtifactError(
            f"{path} is damaged, no graph of OpenVINO's; export it again"
        ) from error


def _check(ir: Ir) -> None:
    """Refuse operations that are not OpenVINO's own, and constants beyond the file."""
    if ir.net.tag != "net" or not ir.layers:
        raise ValueError("no graph")
    weights = ir.path.with_name(WEIGHTS)
    if not weights.is_file() or weights.is_symlink():
        raise ArtifactError(f"{ir.path.parent} has no {WEIGHTS}; export it again")
    held = weights.stat().st_size
    for layer in ir.net.iter("layer"):
        kind, name = layer.get("type"), layer.get("name")
        if kind in STATEFUL:
            raise refused(ir.path, f"holds the operation {kind} ({name!r}), which no network needs")
        if not OWN.fullmatch(layer.get("version") or ""):
            raise refused(ir.path, f"holds the operation {kind} ({name!r}), not OpenVINO's own")
        if kind == "Const":
            data = layer.find("data")
            start, size = int(data.get("offset")), int(data.get("size"))
            if start < 0 or size < 0 or start + size > held:
                raise ArtifactError(f"{weights} is cut short, {name} is not in it; export it again")
            dtype = FLOATS.get(data.get("element_type"))
            if dtype and prod(shape_of(data)) * np.dtype(dtype).itemsize != size:
                raise ValueError(f"{name} of another size")


def open_openvino(folder: Path) -> Opened:
    """Open the artifact in `folder`; see `Opened`."""
    ir = read_ir(folder)
    with _sound(ir.path):
        return Opened(
            inputs=tuple(_input(one) for one in ir.layers if one.get("type") == "Parameter"),
            outputs=tuple(_output(ir, one) for one in ir.layers if one.get("type") == "Result"),
            weights=lambda: _weights(ir),
            graph={
                "kind": OPENVINO,
                "ir": ir.net.get("version"),
                "ops": dict(Counter(layer.get("type") for layer in ir.layers)),
                "structure": _structure(ir),
            },
        )


def _input(layer: ElementTree.Element) -> Tensor:
    port = layer.find("output/port")
    return _tensor(port, layer.find("data").get("element_type"), layer.get("name"))


def _output(ir: Ir, layer: ElementTree.Element) -> Tensor:
    ((source, number),) = ir.sources[layer.get("id")]
    ports = {port.get("id"): port for port in ir.by_id[source].findall("output/port")}
    port = ports[number]
    return _tensor(port, (port.get("precision") or "").lower(), layer.get("name"))


def _tensor(port: ElementTree.Element, kind: str, name: str) -> Tensor:
    sizes = (int(dim.text) for dim in port.findall("dim"))
    kind = "boolean" if kind == "bool" else kind.replace("fp", "f")
    found = INTEGER.fullmatch(kind)
    dtype = f"{'u' if found[1] == 'u' else ''}int{found[2]}" if found else DTYPES.get(kind, "other")
    shape = tuple(None if size < 0 else size for size in sizes)
    return Tensor((port.get("names") or name).split(",")[0], dtype, shape)


def _weights(ir: Ir) -> Iterator[Found]:
    for layer in ir.weights():
        yield Found.of(layer.get("name"), ir.read(layer))


def _structure(ir: Ir) -> str:
    """sha256 of what is computed and from what: names and where constants lie do not count."""
    numbers = {layer.get("id"): number for number, layer in enumerate(ir.layers)}
    lines = []
    for layer in ir.layers:
        data = layer.find("data")
        options = sorted(data.items()) if data is not None else []
        kept = [(key, value) for key, value in options if key not in ("offset", "size")]
        read = [(numbers[name], port) for name, port in ir.sources.get(layer.get("id"), ())]
        bodies = [ElementTree.tostring(body) for body in layer.findall("body")]
        lines.append((layer.get("type"), kept, read, bodies))
    return hashlib.sha256(repr(lines).encode()).hexdigest()
