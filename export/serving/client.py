"""A client of TF Serving: pictures in, guesses out, over REST or gRPC.

with ServingClient("grpc://127.0.0.1:8500", "vgg13") as client:
    for guess in client.classify(["cat.jpg"])[0]:
        print(f"{guess.probability:.3f} {guess.label}")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from export.serving.pictures import check_picture
from export.serving.retry import Backoff, ServerError, retrying
from export.serving.savedmodel import Signature

TOP = 5


@dataclass(frozen=True)
class Guess:
    """One of the likeliest classes of a picture."""

    label: str
    probability: float


class ServingClient:
    """Requests to one model of one server. One client serves many threads."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        backoff: Backoff | None = None,
        connections: int = 32,
    ):
        """Connect to http://HOST:PORT, https://HOST or grpc://HOST:PORT at the first request.

        Args:
            version: a number, or `label`: "stable" or "canary"; neither is the newest version.
            timeout: seconds that one try may take; a retry has as many again.
            connections: REST connections kept open, as many as there are threads.

        Raises ValueError for a URL of another kind.
        """
        if version is not None and label is not None:
            raise ValueError("ask for a version or for a label, not for both")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "grpc") or not parts.netloc:
            raise ValueError(f"a server is http://HOST:PORT or grpc://HOST:PORT. Received: {url!r}")
        self.backoff = backoff or Backoff()
        self._signatures = None
        if parts.scheme == "grpc":
            from export.serving.rpc import Rpc

            self.transport = Rpc(parts.netloc, model, timeout, version, label)
        else:
            from export.serving.rest import Rest

            which = f"/versions/{version}" if version is not None else ""
            which = f"/labels/{label}" if label is not None else which
            self.transport = Rest(url, model, which, timeout, connections)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def signatures(self) -> dict[str, Signature]:
        """Return what the served version offers, asked for once."""
        if self._signatures is None:
            self._signatures = self._retry(self.transport.signatures)
        return self._signatures

    def status(self) -> dict[int, str]:
        """Return the state of each version that the server knows, such as "AVAILABLE"."""
        return self._retry(self.transport.status)

    def classify(self, pictures: Sequence[bytes | str | Path]) -> list[list[Guess]]:
        """Return the likeliest classes of each picture, a JPEG or PNG file or its bytes.

        Raises ServerError where the server refuses or the retries are used up, ValueError where a
        picture is not whole.
        """
        encoded = [_bytes_of(picture) for picture in pictures]
        outputs = self._predict({"encoded": encoded}, "classify")
        return [
            [Guess(_text(label), float(p)) for label, p in zip(labels, row, strict=True)]
            for labels, row in zip(outputs["labels"], outputs["probabilities"], strict=True)
        ]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (batch, classes) of normalised images (batch, height, width, 3)."""
        images = np.asarray(images, np.float32)
        logits = self._predict({"image": images}, "serving_default")["logits"]
        return np.asarray(logits, np.float32)  # numbers of JSON have no type

    def guess(self, logits: np.ndarray, labels: Sequence[str] = ()) -> list[list[Guess]]:
        """Return the likeliest classes of logits (batch, classes), by label or by number.

        Raises ValueError where there are labels, and not one for each class.
        """
        if labels and len(labels) != logits.shape[-1]:
            raise ValueError(
                f"labels name each of {logits.shape[-1]} classes. Received: {len(labels)} of them"
            )
        shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
        best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :TOP]
        return [
            [Guess(labels[i] if labels else str(i), float(row[i])) for i in places]
            for row, places in zip(probabilities, best, strict=True)
        ]

    def _predict(self, inputs: dict, signature: str) -> dict[str, np.ndarray]:
        return self._retry(lambda: self.transport.predict(inputs, signature))

    def _retry(self, call):
        return retrying(call, self.backoff)


def _bytes_of(picture) -> bytes:
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    try:
        check_picture(data)
    except ValueError as error:
        name = f"{len(data)} bytes" if isinstance(picture, bytes) else str(picture)
        raise ValueError(f"{name}: {error}") from error
    return data


def _text(label) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


__all__ = ["Backoff", "Guess", "ServerError", "ServingClient"]
