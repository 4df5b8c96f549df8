"""Servers on loopback that answer as a test says: raw bytes over TCP, or protobufs over gRPC."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from export.serving.client import Backoff, ServerError, ServingClient

LOOPBACK = "127.0.0.1"
ONCE = Backoff(retries=0)
IMAGES = np.zeros((2, 8, 8, 3), np.float32)
PASSWORD = "s3cret-Pa55"


@contextmanager
def raw_server(
    answer: Callable[[socket.socket, bytes], None],
    *,
    reads: bool = True,
    wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock,
) -> Iterator[tuple[str, list[bytes]]]:
    """Call `answer(connection, head)` for each connection; yield the URL and the heads so far.

    A head is what came up to the first empty line; the body after it is dropped, or with
    `reads=False` left in the connection, which is closed after the call. `wrap` puts TLS around it.
    """
    heads = []
    listening = socket.create_server((LOOPBACK, 0))

    def serve_one(connection):
        # The client may be gone.
        with connection, contextlib.suppress(OSError), wrap(connection) as connection:
            heads.append(_head(connection, reads))
            answer(connection, heads[-1])

    def serve():
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listening:
        yield f"http://{LOOPBACK}:{listening.getsockname()[1]}", heads


def _head(connection, reads: bool) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(1 << 16)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    left = int(found[1]) - len(body) if found and reads else 0
    while left > 0 and (more := connection.recv(1 << 16)):
        left -= len(more)
    return head


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return a whole HTTP answer; `length` is a Content-Length other than the body's."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def grpc_server(predict: Callable, compression=None) -> Iterator[str]:
    """Serve gRPC whose Predict is `predict(request, context)`, and yield its URL."""
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            return predict(request, context)

        def GetModelMetadata(self, request, context):
            return predict(request, context)

    server = grpc.server(
        ThreadPoolExecutor(4),
        compression=compression,
        options=[("grpc.max_send_message_length", -1)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        yield f"grpc://{LOOPBACK}:{port}"
    finally:
        server.stop(None)


def asking(url: str, **options) -> ServingClient:
    """A client that tries once."""
    return ServingClient(url, "toy", **{"backoff": ONCE, "timeout": 5, **options})


def error_of(url, ask=lambda client: client.predict(IMAGES), **options) -> str:
    """Return the one line of the ServerError that `ask(client)` ends in."""
    with asking(url, **options) as client, pytest.raises(ServerError) as caught:
        ask(client)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 600
    return line


def drip(piece: bytes, before: bytes = b""):
    """An answer that sends `piece` every 20 ms, each long before any timeout of a read."""

    def answer(connection, _head):
        connection.sendall(before)
        for _ in range(2000):
            connection.sendall(piece)
            time.sleep(0.02)

    return answer


def flood(piece: bytes, before: bytes = b""):
    """An answer that sends `piece` without end."""

    def answer(connection, _head):
        connection.sendall(before)
        while True:
            connection.sendall(piece)

    return answer
