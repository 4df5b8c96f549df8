"""TF Serving's gRPC interface and its official stubs, as one of the client's two transports."""

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from export.printable import printable
from export.serving.client.address import Address, Which
from export.serving.client.exchange import LARGEST
from export.serving.client.retry import ServerError
from export.serving.protos import messages, stubs
from export.serving.savedmodel import Signature, tensors_of
from export.serving.tensors import from_proto, tensorflow_name, to_proto

# A full queue and a dead connection are both UNAVAILABLE. RESOURCE_EXHAUSTED is a message over the
# limit and DEADLINE_EXCEEDED the caller's patience: the same request would fail again.
RETRYABLE = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED))
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", LARGEST),  # unpacked too
    # The default backs off up to two minutes after a restart of the server.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Where a name resolves to several servers, use them all.
    ("grpc.lb_policy_name", "round_robin"),
)


class Rpc:
    """Requests to one model of one server; safe to share by threads."""

    def __init__(self, address: Address, which: Which):
        self.address, self.which = address, which
        if address.scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials()
            self.channel = grpc.secure_channel(address.target, credentials, options=OPTIONS)
        else:
            self.channel = grpc.insecure_channel(address.target, options=OPTIONS)
        self.metadata = [(name.lower(), value) for name, value in address.headers.items()]
        self.prediction = stubs().PredictionServiceStub(self.channel)
        self.model = stubs().ModelServiceStub(self.channel)

    def predict(self, inputs: dict, signature: str, seconds: float) -> dict[str, np.ndarray]:
        """Return the outputs, by name, of a batch of inputs: arrays, or lists of bytes."""
        request = messages().PredictRequest()
        self._fill(request.model_spec)
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            array = np.asarray(values, object) if isinstance(values, list) else values
            dtype = "string" if array.dtype.kind == "O" else array.dtype.name
            request.inputs[name].CopyFrom(to_proto(array, tensorflow_name(dtype)))
        return self._ask(self.prediction.Predict, request, seconds, _outputs)

    def signatures(self, seconds: float) -> dict[str, Signature]:
        """Return what the served version offers."""
        request = messages().GetModelMetadataRequest(metadata_field=["signature_def"])
        self._fill(request.model_spec)
        return self._ask(self.prediction.GetModelMetadata, request, seconds, _signatures)

    def status(self, seconds: float) -> dict[int, str]:
        """Return the state of each version that the server knows."""
        request = messages().GetModelStatusRequest()
        request.model_spec.name = self.which.model
        return self._ask(self.model.GetModelStatus, request, seconds, _states)

    def close(self) -> None:
        self.channel.close()

    def _fill(self, spec) -> None:
        spec.name = self.which.model
        if self.which.version is not None:
            spec.version.value = self.which.version
        elif self.which.label is not None:
            spec.version_label = self.which.label

    def _ask(self, method, request, seconds: float, read):
        """Return what `read` makes of the answer."""
        try:
            return read(method(request, timeout=seconds, metadata=self.metadata))
        except grpc.RpcError as error:
            code = error.code()
            # From a server that speaks no gRPC the details are its own page.
            details = printable(self.address.hide(error.details() or "without a reason"))
            raise ServerError(
                f"{self.address.target} answered {code.name}: {details}",
                retryable=code in RETRYABLE,
            ) from error
        except (DecodeError, ValueError, KeyError) as error:
            reason = printable(self.address.hide(str(error)))
            raise ServerError(
                f"{self.address.target} answered what cannot be read: {reason}"
            ) from error


def _outputs(answer) -> dict[str, np.ndarray]:
    return {name: from_proto(proto) for name, proto in answer.outputs.items()}


def _signatures(answer) -> dict[str, Signature]:
    found = messages().SignatureDefMap()
    if not answer.metadata["signature_def"].Unpack(found):
        raise ValueError("no signatures")
    return {
        printable(name): Signature(_printable(entry.inputs), _printable(entry.outputs))
        for name, entry in sorted(found.signature_def.items())
    }


def _printable(infos) -> dict:
    return {printable(name): tensor for name, tensor in tensors_of(infos).items()}


def _states(answer) -> dict[int, str]:
    states = messages().ModelVersionStatus.State
    return {entry.version: states.Name(entry.state) for entry in answer.model_version_status}
