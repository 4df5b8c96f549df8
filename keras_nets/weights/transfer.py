"""Fetches one file over HTTP, and goes on where a connection, or an earlier process, broke off.

urllib is enough here: a GET with a range, and no dependency.
"""

import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from keras_nets.errors import WeightsError


class TransferError(Exception):
    """A file cannot be fetched; the message is the reason."""


class _Interrupted(Exception):
    """A transfer broke off, and another try may succeed."""


Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

STALL = 30.0  # seconds without a byte, after which a connection is given up
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each further try
CHUNK = 1 << 20  # bytes
LARGEST = 4 << 30  # bytes; the largest published file has 0.9 GB
BROKEN = (HTTPException, ConnectionError, TimeoutError, ssl.SSLError, _Interrupted)
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses worth another try


def transfer(url: str, partial: Path, progress: Progress) -> None:
    """Fetch `url` into `partial`, with a few tries, each of which goes on where the last ended.

    What identifies the server's file is kept in `<partial>.tag`, so that a later process goes on,
    too. Raises TransferError if the file cannot be fetched, WeightsError if it is too large.
    """
    for pause in (*PAUSES, None):
        try:
            return _get(url, partial, progress)
        except urllib.error.HTTPError as error:
            with error:
                reason, hopeless = f"HTTP status {error.code}", error.code not in TRANSIENT
        except urllib.error.URLError as error:
            # Without a network, or with nothing there, waiting does not help.
            hopeless = isinstance(error.reason, (socket.gaierror, ConnectionRefusedError))
            reason = getattr(error.reason, "strerror", None) or str(error.reason)
        except BROKEN as error:
            reason, hopeless = str(error) or type(error).__name__, False
        if hopeless or pause is None:
            break
        time.sleep(pause)
    raise TransferError(" ".join(reason.split()))


def _get(url: str, partial: Path, progress: Progress) -> None:
    """Make one request and append what it gives to `partial`; raise where it ends early."""
    tag = partial.with_name(f"{partial.name}.tag")
    held = partial.stat().st_size if partial.exists() and tag.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "keras-nets"})
    if held:
        # If the file has changed since, the server gives all of the new one instead.
        request.add_header("Range", f"bytes={held}-")
        request.add_header("If-Range", tag.read_text())
    try:
        answer = urllib.request.urlopen(request, timeout=STALL)
    except urllib.error.HTTPError as error:
        if error.code == 416 and held:  # more is held than there is
            tag.unlink()
            raise _Interrupted("the server's file is shorter than what was fetched") from error
        raise
    with answer:
        start = held if answer.status == 206 else 0
        total = _total(answer, start)
        _remember(tag, answer)
        with partial.open("ab" if start else "wb") as out:
            done = start
            progress(done, total)
            while data := answer.read1(CHUNK):
                out.write(data)
                done += len(data)
                if done > LARGEST:
                    raise WeightsError(f"{url} gives more than {LARGEST:_} bytes")
                progress(done, total)
    if total is not None and done != total:
        raise _Interrupted(f"the connection ended after {done:_} of {total:_} bytes")


def _total(answer, start: int) -> int | None:
    """Return the size of the whole file, if known; raise _Interrupted for a wrong range."""
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    if start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _Interrupted("the server gave another range than asked for")
    return total


def _remember(tag: Path, answer) -> None:
    """Keep what identifies the server's file; without it a later try starts afresh."""
    strong = answer.headers.get("ETag", "")
    mark = strong if strong.startswith('"') else answer.headers.get("Last-Modified")
    if mark:
        tag.write_text(mark)
    else:
        tag.unlink(missing_ok=True)
