"""The client itself: what it asks, and what it makes of the answers."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from export.contract import IMAGE, PROBABILITIES, Batch, Contract, rows
from export.serving.client.address import Which, parse_address
from export.serving.client.answers import read_classes, read_logits, read_outputs
from export.serving.client.fitting import contract_of, fit
from export.serving.client.retry import Backoff, Deadline, retrying
from export.serving.pictures import check_picture, read_picture
from export.serving.savedmodel import Signature
from export.signatures import SIGNATURE

TOP = 5
LEAST = 1e-37  # a probability whose logarithm is finite
LONGEST_S = 86400.0  # a socket's clock ends at some 10**9 s


@dataclass(frozen=True)
class Guess:
    """One of the likeliest classes of a picture."""

    label: str
    probability: float


@dataclass(eq=False, repr=False)
class ServingClient:
    """Requests to one model of one server. One client serves many threads.

    Args:
        url: http://HOST:PORT, https://HOST, grpc://HOST:PORT or, with TLS, grpcs://HOST:PORT. Of
            USER:PASSWORD@ before the host a header Authorization is made.
        version: a number, or `label`: "stable" or "canary"; neither is the newest version.
        timeout: seconds that one try may take, to the last byte of its answer; a retry has as many
            again, within the `total` of `backoff`.
        connections: REST connections kept open, as many as there are threads.
        headers: sent with every request, in gRPC as metadata; never printed.

    It connects at the first request. An answer over 16 MiB is refused. Raises ValueError for what
    cannot be asked; its methods raise ServerError, whatever the server does, and nothing else.
    """

    url: str
    model: str
    _: KW_ONLY
    version: int | None = None
    label: str | None = None
    timeout: float = 30.0
    backoff: Backoff | None = None
    connections: int = 32
    headers: Mapping[str, str] | None = None

    def __post_init__(self):
        address = parse_address(self.url, self.headers)
        which = Which(self.model, self.version, self.label)
        if not 0 < self.timeout <= LONGEST_S or self.connections < 1:
            raise ValueError(
                f"a try takes more than 0 and at most {LONGEST_S:.0f} s, over at least 1 "
                f"connection. Received: {self.timeout} s, {self.connections} connections"
            )
        self.backoff = self.backoff or Backoff()
        if address.scheme in ("grpc", "grpcs"):
            # gRPC's own log copies what a server says to the terminal, escape sequences and all.
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
            from export.serving.client.rpc import Rpc

            self.transport = Rpc(address, which)
        else:
            from export.serving.client.rest import Rest

            self.transport = Rest(address, which, self.connections)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def signatures(self) -> dict[str, Signature]:
        """Return what the served version offers, asked for once."""
        return self._signatures

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        return self._retry(self.transport.signatures)

    def status(self) -> dict[int, str]:
        """Return the state of each version that the server knows, such as "AVAILABLE"."""
        return self._retry(self.transport.status)

    def classify(self, pictures: Sequence[bytes | str | Path]) -> list[list[Guess]]:
        """Return the likeliest classes of each picture, a JPEG or PNG file or its bytes.

        Raises ServerError if the server refuses or the retries are used up, ValueError where a
        picture is not there or not whole.
        """
        if isinstance(pictures, (str, bytes, Path)):
            raise ValueError("pictures are a list, even of one: classify([picture])")
        encoded = [_bytes_of(picture) for picture in pictures]
        if not encoded:
            return []
        outputs = self._predict({"encoded": encoded}, "classify")
        return [
            [Guess(label, probability) for label, probability in row]
            for row in read_classes(outputs, len(encoded))
        ]

    @cached_property
    def contract(self) -> Contract:
        """What the served version takes and gives, asked for once.

        Raises ServerError where it declares none that this client can hold.
        """
        return contract_of(self.signatures(), self.model)

    def predict(self, inputs: np.ndarray | Mapping[str, np.ndarray]):
        """Return what the model makes of a batch of inputs.

        Of arrays by the names of its inputs come arrays by the names of its outputs. One array is
        of normalised images (batch, height, width, 3), of which come the logits (batch, classes);
        it is for networks that call them `image` and `logits`, and asks the server nothing else.

        Raises ValueError if inputs are not those of the contract, or infinite or NaN.
        """
        if not isinstance(inputs, Mapping):
            return self._predict_images(inputs)
        batch = self.fit(inputs)
        outputs = self._predict(batch, SIGNATURE)
        return read_outputs(outputs, self.contract.outputs, rows(batch))

    def fit(self, inputs: Mapping[str, np.ndarray]) -> Batch:
        """Return `inputs` in the model's own types; raise ValueError where they do not fit."""
        return fit(inputs, self.contract)

    def _predict_images(self, images: np.ndarray) -> np.ndarray:
        try:
            images = np.asarray(images, np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"images are an array of numbers: {error}") from error
        if not images.size or not np.isfinite(images).all():
            raise ValueError(
                f"images are at least one, of finite numbers. Received: {list(images.shape)}"
            )
        return read_logits(self._predict({IMAGE: images}, SIGNATURE), len(images))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (batch, classes) of normalised images, whatever the model calls them.

        Raises ValueError where the model is no classifier of pictures.
        """
        if not self.contract.classifier:
            raise ValueError(f"{self.model!r} is no classifier of pictures; use predict(inputs)")
        (given,), (made,) = self.contract.inputs, self.contract.outputs
        values = self.predict({given.name: images})[made.name]
        return np.log(values.clip(LEAST)) if made.name == PROBABILITIES else values

    def guess(self, logits: np.ndarray, labels: Sequence[str] = ()) -> list[list[Guess]]:
        """Return the likeliest classes of logits (batch, classes), by label or by number.

        Raises ValueError if there are labels, and not one for each class.
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

    def _predict(self, inputs: dict, signature: str) -> dict:
        return self._retry(lambda seconds: self.transport.predict(inputs, signature, seconds))

    def _retry(self, ask: Callable):
        """Return `ask(seconds)`, given what a try may take, tried again by the backoff."""
        deadline = Deadline(self.backoff.total)
        return retrying(
            lambda: ask(min(self.timeout, deadline.left())), self.backoff, deadline=deadline
        )


def _bytes_of(picture) -> bytes:
    if not isinstance(picture, bytes):
        return read_picture(Path(picture))
    try:
        check_picture(picture)
    except ValueError as error:
        raise ValueError(f"{len(picture)} bytes: {error}") from error
    return picture
