"""Open a .tflite as a network that can be changed, its weights apart from its graph."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Batch, Predict
from export.formats.litert.changes import CHANGES, constant, is_padded, is_ragged_pool
from export.formats.litert.flatbuffer import OUTSIDE, operation, packed, schema, text, unpacked
from export.formats.litert.reading import BACK, FLOATS, MODEL, Flat, read_flat
from export.lazy import need
from export.networks.base import CONV, DENSE, JOIN, PAD, POOL, RELU, UNCHANGED, Edit, Part
from export.signatures import SIGNATURE

KINDS = {
    "CONV_2D": CONV,
    "DEPTHWISE_CONV_2D": CONV,
    "FULLY_CONNECTED": DENSE,
    "RELU": RELU,
    "RELU6": RELU,
    "LEAKY_RELU": RELU,
    "PRELU": RELU,
    "MAX_POOL_2D": POOL,
    "CONCATENATION": JOIN,
    "ADD": JOIN,
    "PAD": PAD,
}
FUSED = "/activation"  # behind the number of an operator that applies one itself
RECTIFIERS = (1, 2, 3)  # of ActivationFunctionType: RELU, RELU_N1_TO_1, RELU6
CHUNK = 1 << 24  # bytes
ALIGNMENT = 64


def open_network(folder: Path) -> "LiteRtNetwork":
    """Open the graph in `folder`; it computes in 32 bits, so nothing in it rounds but weights."""
    return LiteRtNetwork(read_flat(folder))


@dataclass
class LiteRtNetwork:
    """A flatbuffer; its weights stay in the file until they are asked for."""

    flat: Flat

    def __post_init__(self):
        self.graph = self.flat.model
        (signature,), self._main = self.graph.signatureDefs, self.graph.subgraphs[0]
        self.outputs = {
            text(one.name): text(self._main.tensors[one.tensorIndex].name)
            for one in signature.outputs
        }
        self._weights = {
            text(graph.tensors[number].name): number
            for graph, number in self.flat.tensors()
            if graph is self._main
        }
        self.parts = tuple(self._parts())

    def read(self, weight: str) -> np.ndarray:
        return self.flat.read(self._main, self._weights[weight])

    def changed(self, edit: Edit):
        if not edit.changes:
            return self.graph
        model = unpacked(packed(self.graph))
        operators = list(model.subgraphs[0].operators)
        for change in edit.changes:
            number, _, fused = change.node.partition("/")
            CHANGES[change.verb](model, operators[int(number)], bool(fused))
        return model

    def build(self, graph, weights: Mapping[str, np.ndarray] = UNCHANGED) -> Predict:
        if graph is self.graph and not weights:
            return _run(self.flat.path)
        return self._run_changed(unpacked(packed(graph)), weights)

    def fetch(self, tensors: Iterable[str], batch: Batch) -> dict[str, np.ndarray]:
        tensors, model = list(tensors), unpacked(packed(self.graph))
        (signature,), main = model.signatureDefs, model.subgraphs[0]
        names = [text(tensor.name) for tensor in main.tensors]
        own = [int(number) for number in main.outputs]
        for name in dict.fromkeys(tensors):
            if name not in self.outputs.values():
                shown = schema().TensorMapT()
                shown.name, shown.tensorIndex = name, names.index(name)
                signature.outputs.append(shown)
                own.append(shown.tensorIndex)
        main.outputs = own
        found = self._run_changed(model, {})(batch)
        by_tensor = {tensor: found[name] for name, tensor in self.outputs.items()}
        return {name: by_tensor.get(name, found.get(name)) for name in tensors}

    def tensors(self) -> list[str]:
        return [
            text(self._main.tensors[number].name)
            for operator in self._main.operators
            if operation(self.graph, operator) != BACK
            for number in operator.outputs
            if self._main.tensors[number].type in FLOATS
        ]

    def _run_changed(self, model, weights: Mapping[str, np.ndarray]) -> Predict:
        """Write a changed model to a file of its own, which is gone once that is mapped."""
        own = {}
        for name, values in weights.items():
            number = self._weights[name]
            held = self.flat.held(self._main, number, values)
            own[_as_float(model, number)] = held
        with tempfile.TemporaryDirectory(prefix="litert-") as folder:
            path = Path(folder) / MODEL
            self.write(model, own, path)
            return _run(path)

    def write(self, model, own: Mapping[int, np.ndarray], path: Path) -> None:
        """Write a model with `own` contents of some buffers; others are as in the artifact."""
        places = [at for at, one in enumerate(model.buffers) if one.offset >= OUTSIDE or at in own]
        sources = {at: model.buffers[at].offset for at in places}
        for at in places:
            model.buffers[at].size = own[at].nbytes if at in own else model.buffers[at].size
            model.buffers[at].offset = OUTSIDE  # takes its room
        end = len(packed(model))
        for at in places:
            model.buffers[at].offset = end + -end % ALIGNMENT
            end = model.buffers[at].offset + model.buffers[at].size
        with path.open("wb") as file, self.flat.path.open("rb") as artifact:
            file.write(packed(model))
            for at in places:
                file.write(b"\0" * (model.buffers[at].offset - file.tell()))
                if at in own:
                    file.write(own[at].tobytes())
                    continue
                artifact.seek(sources[at])
                left = model.buffers[at].size
                while left:
                    left -= file.write(artifact.read(min(left, CHUNK)))

    def _parts(self):
        for number, operator in enumerate(self._main.operators):
            kind = KINDS.get(operation(self.graph, operator))
            output = self._main.tensors[operator.outputs[0]]
            if kind is None or output.type != 0:
                continue
            name, held = text(output.name), [self._weight(one) for one in operator.inputs]
            if kind == JOIN and any(held):
                continue
            kernel, bias = (held[1:] + [""])[:2] if kind in (CONV, DENSE) else ("", "")
            yield Part(
                kind,
                str(number),
                name,
                kernel=kernel,
                bias=bias,
                padded=is_padded(self.graph, operator),
                ragged=kind == POOL and is_ragged_pool(self.graph, operator),
            )
            options = operator.builtinOptions
            if kind != RELU and getattr(options, "fusedActivationFunction", 0) in RECTIFIERS:
                yield Part(RELU, f"{number}{FUSED}", name)

    def _weight(self, number: int) -> str:
        """The name of the constant that a tensor is; empty where it is computed."""
        for operator in self._main.operators:
            if number in operator.outputs and operation(self.graph, operator) == BACK:
                number = operator.inputs[0]
        name = text(self._main.tensors[number].name) if number >= 0 else ""
        return name if self._weights.get(name) == number else ""


def _as_float(model, number: int) -> int:
    """The buffer of the float32 values of a weight, which is no more turned from 16 bits."""
    main = model.subgraphs[0]
    for operator in list(main.operators):
        if operation(model, operator) == BACK and operator.inputs[0] == number:
            main.operators.remove(operator)
            number = operator.outputs[0]
    main.tensors[number].buffer = constant(model, None)
    return main.tensors[number].buffer


def _run(path: Path) -> Predict:
    litert = need("ai_edge_litert.interpreter", to="running LiteRT")
    runner = litert.Interpreter(str(path)).get_signature_runner(SIGNATURE)

    def predict(batch: Batch) -> Batch:
        return {name: np.array(made) for name, made in runner(**batch).items()}

    return predict
