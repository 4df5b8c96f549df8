"""Check which server and model a client asks, and with which credentials."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from export.files import read_bounded

SCHEMES = ("http", "https", "grpc", "grpcs")
FORM = "http://HOST:PORT, https://HOST, grpc://HOST:PORT or grpcs://HOST:PORT"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: the name of a header
VALUE = re.compile(r"[\x20-\x7e]*")
FRAMING = frozenset(("connection", "content-length", "te", "transfer-encoding", "upgrade"))
HIDDEN = "[hidden]"
SHORTEST_SECRET = 4  # characters; hiding less would cut up every message
LARGEST_FILE = 1 << 20  # bytes of a file of headers
LARGEST_VERSION = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class Address:
    """A server, and the headers (in gRPC: metadata) that every request to it carries."""

    scheme: str
    host: str  # an IPv6 address in brackets
    port: int | None
    path: str = ""  # of REST behind a gateway
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def target(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def base(self) -> str:
        """The URL without credentials."""
        return f"{self.scheme}://{self.target}{self.path}"

    def hide(self, text: str) -> str:
        """Return `text` without the credentials, which a server may send back in its message."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


@dataclass(frozen=True)
class Which:
    """A model of a server and its version or label; with neither, the newest version."""

    model: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self):
        _check_name("a model", self.model)
        if self.version is not None and self.label is not None:
            raise ValueError("ask for a version or for a label, not for both")
        if self.label is not None:
            _check_name("a label", self.label)
        if self.version is not None and self.version not in range(LARGEST_VERSION + 1):
            raise ValueError(f"a version is a number from 0 on. Received: {self.version!r}")

    @property
    def model_path(self) -> str:
        return f"/v1/models/{quote(self.model, safe='')}"

    @property
    def path(self) -> str:
        if self.version is not None:
            return f"{self.model_path}/versions/{self.version:d}"
        if self.label is not None:
            return f"{self.model_path}/labels/{quote(self.label, safe='')}"
        return self.model_path


def parse_address(url: str, headers: Mapping[str, str] | None = None) -> Address:
    """Take apart http://HOST:PORT, https://HOST, grpc://HOST:PORT or grpcs://HOST:PORT.

    USER:PASSWORD@ before the host becomes the header Authorization, beside `headers`. Raises
    ValueError, in which no credential is named.
    """
    shown = repr(url.rpartition("@")[2])
    wrong = ValueError(f"a server is {FORM}. Received: {shown}")
    if not url.isprintable() or " " in url:
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # `from None`: their messages name the credentials.
        raise wrong from None
    rest = parts.path + parts.query + parts.fragment
    if parts.scheme not in SCHEMES or not parts.hostname or port == 0 or "@" in rest:
        raise wrong
    if parts.query or parts.fragment or (parts.path.strip("/") and "grpc" in parts.scheme):
        raise ValueError(f"the URL of a server ends after its port or path. Received: {shown}")
    if port is None and "grpc" in parts.scheme:
        raise ValueError(f"gRPC has no usual port: grpc://HOST:8500. Received: {shown}")
    checked, secrets = _authorise(parts, dict(headers or {}))
    return Address(
        scheme=parts.scheme,
        host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
        port=port,
        path=parts.path.rstrip("/"),
        headers=checked,
        secrets=secrets,
    )


def read_headers(lines: list[str]) -> dict[str, str]:
    """Return headers of lines `NAME: VALUE`, or @FILE with one a line; no error names a value."""
    listed = []
    for line in lines:
        if line.startswith("@"):
            listed += (
                read_bounded(Path(line[1:]), LARGEST_FILE).decode("utf-8", "replace").splitlines()
            )
        else:
            listed.append(line)
    headers = {}
    for line in filter(str.strip, listed):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("a header is 'NAME: VALUE', or @FILE with one a line")
        headers[name.strip()] = value.strip()
    return headers


def _authorise(parts, headers: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the checked headers, with that of the URL's credentials, and what must stay hidden."""
    for name, value in headers.items():
        _check_header(name, value)
    secrets = [word for value in headers.values() for word in (value, value.rpartition(" ")[2])]
    if parts.username or parts.password:
        if "authorization" in map(str.lower, headers):
            raise ValueError("credentials stand in the URL or in a header Authorization, not both")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
        secrets += [token, password, parts.password or ""]
    longest_first = sorted(set(secrets), key=len, reverse=True)
    return headers, tuple(s for s in longest_first if len(s) >= SHORTEST_SECRET)


def _check_header(name: str, value: str) -> None:
    """Raise ValueError, which does not name the value, where a header cannot be sent."""
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        raise ValueError(f"a header's name is letters, digits and dashes. Received: {name!r}")
    if name.lower() in FRAMING or name.lower().endswith("-bin"):
        raise ValueError(f"the header {name} cannot be set: the client sends its own")
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        raise ValueError(f"the value of the header {name} has characters other than ASCII's")


def _check_name(what: str, name: str) -> None:
    # A path of nothing but dots would lead up in the URL.
    if (
        not isinstance(name, str)
        or not name
        or not name.isprintable()
        or "/" in name
        or not name.strip(".")
    ):
        raise ValueError(
            f"{what} has a name of printable characters without a slash. Received: {name!r}"
        )
