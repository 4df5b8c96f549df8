"""TF Serving's gRPC interface and its official stubs, as one of the client's two transports."""

import grpc
import numpy as np

from export.serving.protos import messages, stubs
from export.serving.retry import ServerError
from export.serving.savedmodel import Signature, tensors_of
from export.serving.tensors import from_proto, to_proto

# A full queue and a dead connection are both UNAVAILABLE. RESOURCE_EXHAUSTED is a message over the
# limit and DEADLINE_EXCEEDED the caller's patience: the same request would fail again.
RETRYABLE = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED))
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # The default backs off up to two minutes after a restart of the server.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Where a name resolves to several servers, use them all.
    ("grpc.lb_policy_name", "round_robin"),
)


class Rpc:
    """Requests to one model at `target`, such as 127.0.0.1:8500; safe to share by threads."""

    def __init__(
        self, target: str, model: str, timeout: float, version: int | None, label: str | None
    ):
        """`timeout` is of one try, in seconds."""
        self.target, self.timeout = target, timeout
        self.channel = grpc.insecure_channel(target, options=OPTIONS)
        self.prediction = stubs().PredictionServiceStub(self.channel)
        self.model = stubs().ModelServiceStub(self.channel)
        self.name, self.version, self.label = model, version, label

    def predict(self, inputs: dict, signature: str) -> dict[str, np.ndarray]:
        """Return the outputs, by name, of a batch of inputs: float arrays, or lists of bytes."""
        request = messages().PredictRequest()
        self._fill(request.model_spec)
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            dtype = "DT_FLOAT" if isinstance(values, np.ndarray) else "DT_STRING"
            request.inputs[name].CopyFrom(to_proto(values, dtype))
        outputs = self._ask(self.prediction.Predict, request).outputs
        return {name: from_proto(proto) for name, proto in outputs.items()}

    def signatures(self) -> dict[str, Signature]:
        """Return what the served version offers."""
        request = messages().GetModelMetadataRequest(metadata_field=["signature_def"])
        self._fill(request.model_spec)
        answer = self._ask(self.prediction.GetModelMetadata, request)
        found = messages().SignatureDefMap()
        answer.metadata["signature_def"].Unpack(found)
        return {
            name: Signature(tensors_of(entry.inputs), tensors_of(entry.outputs))
            for name, entry in sorted(found.signature_def.items())
        }

    def status(self) -> dict[int, str]:
        """Return the state of each version that the server knows."""
        request = messages().GetModelStatusRequest()
        request.model_spec.name = self.name
        states = messages().ModelVersionStatus.State
        answer = self._ask(self.model.GetModelStatus, request)
        return {entry.version: states.Name(entry.state) for entry in answer.model_version_status}

    def close(self) -> None:
        self.channel.close()

    def _fill(self, spec) -> None:
        spec.name = self.name
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label

    def _ask(self, method, request):
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise ServerError(
                f"{self.target} answered {error.code().name}: {error.details()}",
                retryable=error.code() in RETRYABLE,
            ) from error
