"""One HTTP exchange with a limit on its time as a whole and on the bytes of the answer.

urllib3's timeouts apply to single reads, so a server that sends a byte a second is never late. Here
a connection's `timeout` is the time left of the whole try, computed before each read and write.
"""

import io
import socket
import time
import zlib
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from threading import BoundedSemaphore

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from export.printable import printable
from export.serving.client.address import Address
from export.serving.client.retry import Deadline, ServerError

CHUNK = 1 << 16
LARGEST = 16 << 20  # bytes of an answer, unpacked too: 800,000 logits in JSON
LARGEST_ERROR = 1 << 16  # of which a message shows a few hundred characters
LEAST_S = 0.001  # a socket takes 0 for "do not wait at all"
UNREACHED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)
GZIP_OR_ZLIB = 47  # zlib's window bits that tell either by its header


@dataclass(frozen=True)
class Reply:
    """An answer; if `status` is that of an error, `content` is cut at the limit."""

    status: int
    content: bytes
    location: str  # of a redirect, which is not followed


class Exchange:
    """Exchanges with one server; safe to share by threads."""

    def __init__(self, address: Address, connections: int):
        self.address = address
        pool = _Pool if address.scheme == "http" else _SecurePool
        self.pool = pool(address.host, address.port, maxsize=connections, retries=False)
        self.free = BoundedSemaphore(connections)  # waiting for one is part of a try

    def ask(self, method: str, path: str, body: bytes | None, seconds: float) -> Reply:
        """Return the answer to one request; raises ServerError if there is none in time."""
        deadline = Deadline(seconds)
        url = self.address.base + path
        if not self.free.acquire(timeout=seconds):
            raise ServerError(
                f"{url} was not asked in {seconds:.3g} s: all connections are in use",
                retryable=True,
            )
        try:
            return self._exchange(method, path, body, deadline)
        except _UnusableReply as error:
            raise ServerError(f"{url} {error}") from error
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            if deadline.left() > 2 * LEAST_S:
                raise self._explain(error, url) from error
            # A server may be on its way up; one that took the request would only get it twice.
            never_there = isinstance(error, urllib3.exceptions.ConnectTimeoutError)
            raise ServerError(
                f"{url} did not answer in {seconds:.3g} s", retryable=never_there
            ) from error
        finally:
            self.free.release()

    def close(self) -> None:
        self.pool.close()

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: Deadline) -> Reply:
        # Asked for as it is; some gateways compress all the same.
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        response = self.pool.urlopen(
            method,
            self.address.path + path,
            body=body,
            headers=headers | self.address.headers,
            redirect=False,  # it would carry the credentials elsewhere
            timeout=urllib3.Timeout(total=max(LEAST_S, deadline.left())),
            preload_content=False,
        )
        try:
            good = response.status == 200
            content = _read(response, LARGEST if good else LARGEST_ERROR, whole=good)
            return Reply(response.status, content, response.headers.get("Location", ""))
        finally:
            response.close()  # what was not read to its end cannot be used again
            response.release_conn()

    def _explain(self, error: Exception, url: str) -> ServerError:
        what = "cannot be reached" if isinstance(error, UNREACHED) else "broke off its answer"
        return ServerError(
            f"{url} {what}: {printable(self.address.hide(_reason(error)))}",
            retryable=not isinstance(error, urllib3.exceptions.SSLError),
        )


def _count_addresses(host: str, port: int) -> int:
    try:
        return len(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError:  # urllib3 asks again, and says why
        return 1


def _reason(error: BaseException) -> str:
    """Return the text of the first error behind `error`, such as "Connection refused"."""
    while first := error.__cause__ or error.__context__:
        error = first
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _UnusableReply(ValueError):
    """An answer is too large, or compressed although that was not asked for."""


class _CountingDown:
    """A connection whose `timeout` counts down from the seconds that were last set."""

    _ends = None

    @property
    def timeout(self) -> float | None:
        return None if self._ends is None else max(LEAST_S, self._ends - time.monotonic())

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._ends = None if seconds is None else time.monotonic() + seconds

    def _new_conn(self):
        ends = self._ends
        # urllib3 gives each address of a name all the time that there is.
        self.timeout = self.timeout / _count_addresses(self.host, self.port)
        try:
            sock = super()._new_conn()
        finally:
            self._ends = ends
        sock.settimeout(self.timeout)  # of the handshake of TLS
        return sock

    def send(self, data) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        super().send(data)

    def getresponse(self):
        self.response_class = partial(_InTime, connection=self)
        return super().getresponse()


class _InTime(HTTPResponse):
    """A response whose head and body are read within the time of its connection."""

    def __init__(self, sock, *, connection: _CountingDown, **options):
        super().__init__(sock, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock, connection))


class _Reader(io.RawIOBase):
    def __init__(self, sock, connection: _CountingDown):
        self.sock, self.connection = sock, connection
        self.raw = sock.makefile("rb", buffering=0)  # keeps the socket open while it is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self.connection.timeout <= LEAST_S:
            raise TimeoutError
        self.sock.settimeout(self.connection.timeout)
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Connection(_CountingDown, HTTPConnection):
    pass


class _SecureConnection(_CountingDown, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _read(response, most: int, *, whole: bool) -> bytes:
    """Return the body, unpacked; one over `most` bytes is refused, or cut if not `whole`."""
    data = bytearray()
    while len(data) <= most and (chunk := response.read(CHUNK, decode_content=False)):
        data += chunk
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        data = _unpack(bytes(data[: most + 1]), most)
    if len(data) > most and whole:
        raise _UnusableReply(f"answered with more than {most >> 20} MiB")
    return bytes(data[:most])


def _unpack(data: bytes, most: int) -> bytes:
    """Unpack gzip or zlib, but no more than `most` + 1 bytes."""
    try:
        return zlib.decompressobj(GZIP_OR_ZLIB).decompress(data, most + 1)
    except zlib.error as error:
        raise _UnusableReply("answered compressed, which was not asked for") from error
