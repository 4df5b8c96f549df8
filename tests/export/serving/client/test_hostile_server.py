"""The client against servers that drip, flood, lie and shout: our error, in time, in a line."""

import base64
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hostile_server import IMAGES, ONCE, PASSWORD, asking, drip, error_of, flood, http, raw_server

from export.serving.client import Backoff, ServerError, ServingClient
from export.serving.client.exchange import LARGEST
from export.serving.client.load_test import run_all
from export.serving.warmup import sample_png

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"H"),
        drip(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "),
        drip(b" ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        drip(b" ", b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n"),
        drip(b"1\r\n \r\n", CHUNKED),
        drip(b"0", CHUNKED),
        drip(b"X: y\r\n", CHUNKED + b"0\r\n"),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
        flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        flood(b"X: y\r\n" * 100, CHUNKED + b"0\r\n"),
        lambda connection, _head: time.sleep(3),
    ],
    ids=[
        "status", "header", "body", "error", "chunks", "chunk-size", "trailers", "continue",
        "continue-flood", "trailer-flood", "silence",
    ],
)  # fmt: skip
def test_a_try_ends_on_time_however_a_server_drips(answer):
    with raw_server(answer) as (url, _):
        begin = time.monotonic()
        assert "did not answer in 0.3 s" in error_of(url, timeout=0.3)
        assert 0.2 < time.monotonic() - begin < 0.8


def test_a_single_picture_is_refused_and_an_empty_list_asks_nothing():
    with asking("http://127.0.0.1:1") as client:
        for picture in (sample_png(), "cat.jpg", Path("cat.jpg")):
            with pytest.raises(ValueError, match="pictures are a list"):
                client.classify(picture)
        for wrong in ([], "x", [[None]], [[1, 2], [3]], np.full((1, 8, 8, 3), np.inf)):
            with pytest.raises(ValueError, match="images are"):
                client.predict(wrong)
        assert client.classify([]) == []


def test_a_server_that_never_reads_is_given_up_in_time():
    with raw_server(lambda connection, _head: time.sleep(5), reads=False) as (url, _):
        images = np.zeros((8, 256, 256, 3), np.float32)
        begin = time.monotonic()
        json.dumps(images.tolist())  # which takes most of the time, on a busy machine above all
        writing = time.monotonic() - begin
        begin = time.monotonic()
        assert "did not answer" in error_of(url, lambda c: c.predict(images), timeout=0.5)
        assert time.monotonic() - begin < 2 + 3 * writing


def test_a_name_with_several_dead_addresses_has_one_time_for_all_of_them(monkeypatch):
    with socket.socket() as deaf, ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # once its queue is full, further connections are not answered at all
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(deaf.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())] * 4
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        begin = time.monotonic()
        error_of("http://several.invalid:80", timeout=0.6)
        assert 0.4 < time.monotonic() - begin < 1.0


def test_all_tries_together_end_within_their_total():
    backoff = Backoff(retries=1000, first=0.2, longest=0.2, total=1.0)
    busy = http(b'{"error": "busy"}', status="503 Busy")
    with raw_server(lambda connection, _head: connection.sendall(busy)) as (url, heads):
        begin = time.monotonic()
        assert "busy" in error_of(url, backoff=backoff)
        assert time.monotonic() - begin < 1.3
        assert len(heads) > 2
    with raw_server(drip(b"H")) as (url, _):
        begin = time.monotonic()
        assert "did not answer" in error_of(url, backoff=backoff, timeout=60)
        assert time.monotonic() - begin < 1.5


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (http(b'{"outputs": [[1', length=4000), "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "no JSON"),
        (b"", "broke off its answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "broke off its answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "broke off its answer",
        ),
        (CHUNKED + b"zz\r\n", "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "broke off its answer"),
        (http(b'{"outputs": [[1', length=15), "no JSON"),
        (http(b"[" * 1_000_000), "no JSON"),
        (http(b'{"outputs": ' + b"9" * 100_000 + b"}"), "no JSON"),
        (http(b"\xff\xfe\x00"), "no JSON"),
        (http(b"{}"), "without 'outputs'"),
        (http(b"[]"), "without 'outputs'"),
        (http(b"not gzip", "Content-Encoding: gzip"), "compressed"),
        (http(b'{"error": [[[]]]}', status="500 No"), "answered 500"),
        (http(b"[" * 60_000, status="500 No"), "answered 500"),
        (http(b"", status="204 No Content"), "answered 204"),
    ],
)
def test_an_answer_that_is_cut_or_garbage_is_an_error_of_ours(answer, text):
    with raw_server(lambda connection, _head: connection.sendall(answer)) as (url, _):
        assert text in error_of(url)


def outputs(value) -> bytes:
    return http(json.dumps({"outputs": value}).encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([[1.0, 2.0]], "shape [1, 2] to 2 pictures"),
        ([[1.0, 2.0]] * 3, "shape [3, 2] to 2 pictures"),
        ([], "shape [0]"),
        ([[], []], "shape [2, 0]"),
        (1.0, "shape []"),
        ([1.0, 2.0], "shape [2]"),
        ([[[1.0]], [[1.0]]], "shape [2, 1, 1]"),
        ([[1.0, 2.0], [3.0]], "other than numbers"),
        ([[1.0, float("nan")]] * 2, "NaN"),
        ([[1.0, float("-inf")]] * 2, "infinite"),
        ([[1.0, 1e300]] * 2, "infinite"),
        ([[1, 10**400]] * 2, "infinite"),
        ([[True, False]] * 2, "other than numbers"),
        ([["1", "2"]] * 2, "other than numbers"),
        ([[None, 1.0]] * 2, "other than numbers"),
        ([[{"b64": "AAAA"}]] * 2, "other than numbers"),
        ({"probabilities": [[1.0]] * 2}, "its outputs: probabilities"),
        ({"\x1b[2J": 1}, "its outputs: \\x1b[2J"),
        ("x", "other than numbers"),
        (None, "other than numbers"),
    ],
)
def test_logits_that_are_not_a_row_of_numbers_for_each_image_are_refused(value, text):
    with raw_server(lambda connection, _head: connection.sendall(outputs(value))) as (url, _):
        assert text in error_of(url)


@pytest.mark.parametrize(
    ("labels", "probabilities", "text"),
    [
        ([["cat"]], [[0.5]], "to 2 pictures"),
        ([["cat"]] * 2, [[0.5]], "to 2 pictures"),
        ([["cat", "dog"]] * 2, [[0.5]] * 2, "2 labels a picture and 1 probabilities"),
        ([[1]] * 2, [[0.5]] * 2, "other than text"),
        ([["cat"]] * 2, [["0.5"]] * 2, "other than numbers"),
        ([["cat"]] * 2, [[float("nan")]] * 2, "NaN"),
    ],
)
def test_guesses_that_are_not_a_row_for_each_picture_are_refused(labels, probabilities, text):
    answer = outputs({"labels": labels, "probabilities": probabilities})
    with raw_server(lambda connection, _head: connection.sendall(answer)) as (url, _):
        assert text in error_of(url, lambda client: client.classify([sample_png()] * 2))


def test_a_label_never_reaches_a_terminal_as_more_than_text():
    labels = [
        ["c\x1b]0;owned\x07at", "\u202egod", "a\nb", "\ud800"],
        ["katze", "کتاب‌ها", "é", "🐈‍⬛"],
    ]
    answer = outputs({"labels": labels, "probabilities": [[0.25] * 4] * 2})
    with (
        raw_server(lambda connection, _head: connection.sendall(answer)) as (url, _),
        asking(url) as client,
    ):
        shouted, spoken = client.classify([sample_png()] * 2)
    assert [guess.label for guess in shouted] == [
        "c\\x1b]0;owned\\x07at", "\\u{202e}god", "a\\x0ab", "\\u{d800}",
    ]  # fmt: skip
    assert [guess.label for guess in spoken] == labels[1]


@pytest.mark.parametrize("ask", [ServingClient.signatures, ServingClient.status])
@pytest.mark.parametrize(
    "content",
    [
        {"metadata": {}}, {"metadata": []}, {"metadata": {"signature_def": None}},
        {"metadata": {"signature_def": {"signature_def": {"a": 1}}}},
        {"metadata": {"signature_def": {"signature_def": {"a": {
            "inputs": {"image": {"dtype": 1, "tensor_shape": {"dim": [{"size": "x"}]}}},
            "outputs": {}}}}}},
        {"model_version_status": 1}, {"model_version_status": [{"version": "x", "state": 1}]},
        {"model_version_status": [{"version": {}, "state": 1}]}, {"metadata": 1},
    ],
)  # fmt: skip
def test_garbage_for_metadata_and_status_is_an_error_of_ours(ask, content):
    answer = http(json.dumps(content).encode())
    with raw_server(lambda connection, _head: connection.sendall(answer)) as (url, _):
        assert "no TF Serving" in error_of(url, ask)


def test_an_answer_is_bounded_packed_or_not():
    bomb = http(gzip.compress(b" " * (200 << 20)), "Content-Encoding: gzip")
    with raw_server(lambda connection, _head: connection.sendall(bomb)) as (url, _):
        tracemalloc.start()
        assert f"more than {LARGEST >> 20} MiB" in error_of(url)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST
        tracemalloc.stop()
    endless = flood(b" " * 65536, b"HTTP/1.1 200 OK\r\n\r\n")
    with raw_server(endless) as (url, _):
        assert f"more than {LARGEST >> 20} MiB" in error_of(url)
    page = flood(b"<b>" * 1000, b"HTTP/1.1 500 No\r\n\r\n")
    with raw_server(page) as (url, _):
        assert "answered 500: <b><b>" in error_of(url)


def test_an_answer_that_a_gateway_compressed_is_read_all_the_same():
    packed = gzip.compress(json.dumps({"outputs": [[1.0, 2.0]] * 2}).encode())
    answer = http(packed, "Content-Encoding: gzip")
    with (
        raw_server(lambda connection, _head: connection.sendall(answer)) as (url, heads),
        asking(url) as client,
    ):
        assert client.predict(IMAGES).tolist() == [[1.0, 2.0]] * 2
    assert b"Accept-Encoding: identity" in heads[0]


def test_connections_that_failed_are_not_used_up():
    answers = [drip(b"H"), flood(b" " * 65536, b"HTTP/1.1 200 OK\r\n\r\n")] * 3
    good = outputs([[1.0]] * 2)

    def answer(connection, head):
        if answers:
            answers.pop()(connection, head)
        else:
            connection.sendall(good)

    with raw_server(answer) as (url, _), asking(url, connections=1, timeout=0.5) as client:
        for _ in range(6):
            with pytest.raises(ServerError):
                client.predict(IMAGES)
        assert client.predict(IMAGES).shape == (2, 1)


def test_waiting_for_a_connection_is_part_of_a_try():
    with (
        raw_server(lambda connection, _head: time.sleep(2)) as (url, _),
        asking(url, connections=1, timeout=0.5) as client,
    ):
        begin = time.monotonic()
        answers, _ = run_all(lambda _: client.predict(IMAGES), range(3), concurrency=3)
        assert time.monotonic() - begin < 1.3
    said = {str(answer.error).partition("predict ")[2] for answer in answers}
    assert said <= {
        "did not answer in 0.5 s",
        "was not asked in 0.5 s: all connections are in use",
    }


def tls_server(folder, answer):
    """Return `raw_server` behind TLS with a certificate of its own for 127.0.0.1."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return raw_server(answer, wrap=lambda sock: context.wrap_socket(sock, server_side=True))


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_https_is_on_time_too_and_trusts_only_whom_the_system_trusts(tmp_path, monkeypatch):
    with tls_server(tmp_path, drip(b"H")) as (url, heads):
        secure = url.replace("http", "https")
        assert "CERTIFICATE_VERIFY_FAILED" in error_of(secure)
        assert heads == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        begin = time.monotonic()
        assert "did not answer in 0.4 s" in error_of(secure, timeout=0.4)
        assert time.monotonic() - begin < 1.0
        assert len(heads) == 1
    with raw_server(drip(b"\x16"), reads=False) as (url, _):  # a handshake without end
        begin = time.monotonic()
        error_of(url.replace("http", "https"), timeout=0.4)
        assert time.monotonic() - begin < 1.0
    answer = outputs([[1.0]] * 2)
    with (
        tls_server(tmp_path, lambda connection, _head: connection.sendall(answer)) as (url, _),
        asking(url.replace("http", "https")) as client,
    ):
        assert client.predict(IMAGES).shape == (2, 1)


def test_a_redirect_is_refused_and_credentials_stay_here():
    with raw_server(lambda connection, _head: connection.sendall(outputs(1))) as (other, asked):
        target = other.replace("//", "//user:word@")
        away = http(b"", f"Location: {target}/v1/models/toy\x1b[2J:predict", status="307 Away")
        with raw_server(lambda connection, _head: connection.sendall(away)) as (url, _):
            line = error_of(url.replace("//", f"//me:{PASSWORD}@"))
    assert "answered 307" in line and other.partition("//")[2] in line
    assert "word@" not in line and PASSWORD not in line
    assert asked == []


def test_credentials_are_sent_as_asked_and_stay_out_of_errors_even_if_the_server_repeats_them():
    token = base64.b64encode(f"me@home:{PASSWORD}".encode()).decode()

    def answer(connection, head):
        body = json.dumps({"error": f"refused {PASSWORD} in {head.decode()}"}).encode()
        connection.sendall(http(body, status="401 Unauthorized"))

    with raw_server(answer) as (url, heads):
        line = error_of(
            url.replace("//", f"//me%40home:{PASSWORD}@"), headers={"X-Key": "k-3141592"}
        )
    assert f"Authorization: Basic {token}".encode() in heads[0]
    assert b"X-Key: k-3141592" in heads[0]
    assert "answered 401" in line and "[hidden]" in line
    assert not any(secret in line for secret in (PASSWORD, token, "k-3141592"))


def test_a_model_s_name_is_quoted_into_the_path():
    good = outputs([[1.0]] * 2)
    with (
        raw_server(lambda connection, _head: connection.sendall(good)) as (url, got),
        ServingClient(url, "a b?c#d%2e:predict", label="é", backoff=ONCE) as client,
    ):
        client.predict(IMAGES)
    path = b"/v1/models/a%20b%3Fc%23d%252e%3Apredict/labels/%C3%A9:predict"
    assert got[0].splitlines()[0] == b"POST " + path + b" HTTP/1.1"
