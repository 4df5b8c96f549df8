"""The client against gRPC servers that lie and shout, and messages of either transport."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from hostile_server import PASSWORD, drip, error_of, grpc_server, http, raw_server

from export.serving.client import ServingClient
from export.serving.client.exchange import LARGEST
from export.serving.protos import messages
from export.serving.tensors import to_proto

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("text", ["\x1b[31mred\r\n", "\u202eright to left\u2066", "\x9b2J"])
@pytest.mark.parametrize("scheme", ["rest", "grpc"])
def test_a_server_s_message_cannot_steer_the_terminal(scheme, text):
    def refuse(_request, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)

    body = json.dumps({"error": text}, ensure_ascii=False).encode()
    answer = http(body, status="400 Bad")
    servers = {
        "rest": lambda: raw_server(lambda connection, _head: connection.sendall(answer)),
        "grpc": lambda: grpc_server(refuse),
    }
    with servers[scheme]() as address:
        line = error_of(address if scheme == "grpc" else address[0])
    assert "\\x" in line or "\\u{" in line


def frame(kind: int, payload: bytes) -> bytes:
    """One frame of HTTP/2 (RFC 9113) on the connection itself."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


def test_the_log_of_grpc_does_not_carry_what_a_server_shouts_to_the_terminal():
    """gRPC logs from C++ to the process's own standard error, as it was set up at its import."""
    settings, goaway = 4, 7
    shout = bytes(4) + (2).to_bytes(4, "big") + b"\x1b[2Jshout\n"

    def answer(connection, _head):
        connection.sendall(frame(settings, b"") + frame(goaway, shout))
        time.sleep(0.2)

    code = "import sys; from tools import client; client.main(sys.argv[1:])"
    picture = str(ROOT / "docs" / "images" / "report.png")
    with raw_server(answer, reads=False) as (url, heads):
        arguments = ["--url", url.replace("http", "grpc"), "--model", "toy", "--timeout", "0.5"]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, "--retries", "0", picture],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert heads
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and line.isprintable()


def respond(**tensors):
    def predict(_request, _context):
        response = messages().PredictResponse()
        for name, proto in tensors.items():
            response.outputs[name].CopyFrom(proto)
        return response

    return predict


def claimed(*sides, dtype="DT_FLOAT", **fields):
    """A TensorProto that claims a shape."""
    proto = messages().TensorProto(dtype=messages().DataType.Value(dtype), **fields)
    for side in sides:
        proto.tensor_shape.dim.add(size=side)
    return proto


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (to_proto(np.zeros((1, 5)), "DT_FLOAT"), "shape [1, 5] to 2 pictures"),
        (to_proto(np.full((2, 5), np.nan), "DT_FLOAT"), "NaN"),
        (to_proto(np.full((2, 5), 1e300), "DT_DOUBLE"), "infinite"),
        (to_proto([[b"x"]] * 2, "DT_STRING"), "other than numbers"),
        (claimed(2, 1 << 40, float_val=[1.0]), "cannot be read"),
        (claimed(1 << 32, 1 << 32, float_val=[1.0]), "cannot be read"),
        (claimed(-2, 5, tensor_content=b"\0" * 40), "cannot be read"),
        (claimed(2, 5, tensor_content=b"\0" * 39), "cannot be read"),
        (claimed(2, 5, dtype="DT_RESOURCE"), "cannot be read"),
        (claimed(*[1] * 100, float_val=[1.0]), "cannot be read"),
    ],
)
def test_tensors_that_are_not_what_they_claim_are_an_error_of_ours(proto, text):
    with grpc_server(respond(logits=proto)) as url:
        assert text in error_of(url)


def test_grpc_is_bounded_and_on_time_too():
    huge = respond(logits=to_proto(np.zeros((2, LARGEST // 4)), "DT_FLOAT"))
    for compression in (None, grpc.Compression.Gzip):
        with grpc_server(huge, compression) as url:
            assert "RESOURCE_EXHAUSTED" in error_of(url)
    with grpc_server(lambda _request, _context: time.sleep(2)) as url:
        begin = time.monotonic()
        assert "DEADLINE_EXCEEDED" in error_of(url, timeout=0.5)
        assert time.monotonic() - begin < 1.5
    with raw_server(drip(b"x")) as (url, _):
        begin = time.monotonic()
        error_of(url.replace("http", "grpc"), timeout=0.5)
        assert time.monotonic() - begin < 1.5


def test_grpc_sends_credentials_as_metadata_and_hides_them():
    seen = []

    def refuse(_request, context):
        seen.append(dict(context.invocation_metadata()))
        context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not {seen[-1]}")

    with grpc_server(refuse) as url:
        line = error_of(url.replace("//", f"//me:{PASSWORD}@"), headers={"X-Key": "k-3141592"})
    token = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert (seen[0]["authorization"], seen[0]["x-key"]) == (f"Basic {token}", "k-3141592")
    assert not any(secret in line for secret in (PASSWORD, token, "k-3141592"))


def test_signatures_that_are_none_are_an_error_of_ours_over_grpc():
    def garbage(_request, _context):
        response = messages().GetModelMetadataResponse()
        response.metadata[
            "signature_def"
        ].type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        response.metadata["signature_def"].value = b"\xff\xff\xff"
        return response

    for answer in (garbage, lambda *_: messages().GetModelMetadataResponse()):
        with grpc_server(answer) as url:
            assert "cannot be read" in error_of(url, ServingClient.signatures)
