"""TF Serving's REST interface, as one of the client's two transports."""

import base64
import json

import numpy as np

from export.printable import printable
from export.serving.client.address import Address, Which
from export.serving.client.answers import ALONE
from export.serving.client.exchange import Exchange
from export.serving.client.retry import ServerError
from export.serving.savedmodel import Signature, Tensor

# Of a busy queue, a gateway before a server that is starting, or one that dies.
RETRYABLE = frozenset((429, 502, 503, 504))
NO_SERVING = "so it is no TF Serving; name its REST port"


class Rest:
    """Requests to one model of one server; safe to share by threads."""

    def __init__(self, address: Address, which: Which, connections: int):
        self.address, self.which = address, which
        self.exchange = Exchange(address, connections)

    def predict(self, inputs: dict, signature: str, seconds: float) -> dict:
        """Return the outputs, by name, of a batch of inputs: arrays, or lists of bytes.

        An output is what JSON holds. The server leaves out the name of an only output; here that is
        ALONE.
        """
        body = {
            "signature_name": signature,
            "inputs": {name: _encode(values) for name, values in inputs.items()},
        }
        outputs = self._ask("POST", f"{self.which.path}:predict", "outputs", seconds, body)
        return outputs if isinstance(outputs, dict) else {ALONE: outputs}

    def signatures(self, seconds: float) -> dict[str, Signature]:
        """Return what the served version offers."""
        path = f"{self.which.path}/metadata"
        metadata = self._ask("GET", path, "metadata", seconds)
        return self._read(_signatures, metadata, path)

    def status(self, seconds: float) -> dict[int, str]:
        """Return the state of each version that the server knows."""
        path = self.which.model_path
        return self._read(_states, self._ask("GET", path, "model_version_status", seconds), path)

    def close(self) -> None:
        self.exchange.close()

    def _ask(self, method: str, path: str, wanted: str, seconds: float, body: dict | None = None):
        """Return what the answer holds under `wanted`."""
        data = None if body is None else json.dumps(body).encode()
        answer = self.exchange.ask(method, path, data, seconds)
        url = self.address.base + path
        if answer.status != 200:
            reason = printable(self.address.hide(_reason(answer)))
            raise ServerError(
                f"{url} answered {answer.status}: {reason}",
                retryable=answer.status in RETRYABLE,
            )
        try:
            content = json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise ServerError(f"{url} answered with what is no JSON, {NO_SERVING}") from error
        if not isinstance(content, dict) or wanted not in content:
            raise ServerError(f"{url} answered without {wanted!r}, {NO_SERVING}")
        return content[wanted]

    def _read(self, read, content, path: str):
        try:
            return read(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            url = self.address.base + path
            raise ServerError(f"{url} answered in a form of its own, {NO_SERVING}") from error


def _reason(answer) -> str:
    """Return why the server refused, in its own words."""
    if 300 <= answer.status < 400:
        target = answer.location.rpartition("@")[2]
        return f"it points to {target!r}; name that as the server if you trust it"
    text = answer.content.decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):  # a gateway's own page
        return text
    reason = content.get("error") if isinstance(content, dict) else None
    return reason if isinstance(reason, str) else text


def _encode(values):
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [_encode(one) for one in values]
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode()}
    return values


def _states(content) -> dict[int, str]:
    return {int(entry["version"]): printable(str(entry["state"])) for entry in content}


def _signatures(metadata) -> dict[str, Signature]:
    found = metadata["signature_def"]["signature_def"]
    return {
        printable(name): Signature(_tensors(entry["inputs"]), _tensors(entry["outputs"]))
        for name, entry in sorted(found.items())
    }


def _tensors(entries: dict) -> dict[str, Tensor]:
    return {
        printable(name): Tensor(printable(str(entry["dtype"])), _shape(entry["tensor_shape"]))
        for name, entry in sorted(entries.items())
    }


def _shape(content: dict) -> tuple[int, ...] | None:
    if content.get("unknown_rank"):
        return None
    return tuple(int(dim["size"]) for dim in content.get("dim", ()))
