"""TF Serving's REST interface, as one of the client's two transports."""

import base64
import json

import numpy as np
import urllib3

from export.serving.retry import ServerError
from export.serving.savedmodel import Signature, Tensor

# Of a busy queue, a gateway before a server that is starting, or one that dies.
RETRYABLE = frozenset((429, 502, 503, 504))


class Rest:
    """Requests to one model at `base`, such as http://127.0.0.1:8501; safe to share by threads."""

    def __init__(self, base: str, model: str, which: str, timeout: float, connections: int):
        """`which` is "", "/versions/N" or "/labels/NAME"; `timeout` is of one try, in seconds."""
        self.model_url = f"{base.rstrip('/')}/v1/models/{model}"
        self.url = self.model_url + which
        self.pool = urllib3.PoolManager(
            maxsize=connections, block=True, retries=False, timeout=timeout
        )

    def predict(self, inputs: dict, signature: str) -> dict[str, np.ndarray]:
        """Return the outputs, by name, of a batch of inputs: arrays, or lists of bytes."""
        body = {
            "signature_name": signature,
            "inputs": {name: _encode(values) for name, values in inputs.items()},
        }
        outputs = self._ask("POST", f"{self.url}:predict", "outputs", body)
        if not isinstance(outputs, dict):  # the server leaves out the name of an only output
            (name,) = self.signatures()[signature].outputs
            outputs = {name: outputs}
        return {name: np.asarray(values) for name, values in outputs.items()}

    def signatures(self) -> dict[str, Signature]:
        """Return what the served version offers."""
        metadata = self._ask("GET", f"{self.url}/metadata", "metadata")
        found = metadata["signature_def"]["signature_def"]
        return {
            name: Signature(_tensors(entry["inputs"]), _tensors(entry["outputs"]))
            for name, entry in sorted(found.items())
        }

    def status(self) -> dict[int, str]:
        """Return the state of each version that the server knows."""
        answer = self._ask("GET", self.model_url, "model_version_status")
        return {int(entry["version"]): entry["state"] for entry in answer}

    def close(self) -> None:
        self.pool.clear()

    def _ask(self, method: str, url: str, wanted: str, body: dict | None = None):
        """Return what the answer holds under `wanted`."""
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        try:
            response = self.pool.request(method, url, body=data)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ServerError(f"{url} did not answer in time") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = str(error).rsplit(": ", 1)[-1] or type(error).__name__
            raise ServerError(f"{url} cannot be reached: {reason}", retryable=True) from error
        try:
            answer = json.loads(response.data)
        except ValueError:  # a gateway's own page
            answer = {"error": response.data[:200].decode("utf-8", "replace")}
        if response.status != 200:
            reason = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise ServerError(
                f"{url} answered {response.status}: {reason}",
                retryable=response.status in RETRYABLE,
            )
        if not isinstance(answer, dict) or wanted not in answer:
            raise ServerError(
                f"{url} answered without {wanted!r}, so it is no TF Serving; name its REST port"
            )
        return answer[wanted]


def _encode(values):
    if isinstance(values, np.ndarray):
        return values.tolist()
    return [{"b64": base64.b64encode(data).decode()} for data in values]


def _tensors(entries: dict) -> dict[str, Tensor]:
    return {
        name: Tensor(
            entry["dtype"],
            None
            if entry["tensor_shape"].get("unknown_rank")
            else tuple(int(dim["size"]) for dim in entry["tensor_shape"].get("dim", ())),
        )
        for name, entry in sorted(entries.items())
    }
