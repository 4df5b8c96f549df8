"""A server's URL, a model's name and the headers: taken apart, checked, and kept to themselves."""

import pytest

from export.serving.client import Backoff, ServingClient
from export.serving.client.address import Which, parse_address

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "base", "target"),
    [
        ("http://localhost:8501", "http://localhost:8501", "localhost:8501"),
        ("http://localhost:8501/", "http://localhost:8501", "localhost:8501"),
        ("https://gateway/serving/", "https://gateway/serving", "gateway"),
        ("http://[::1]:8501", "http://[::1]:8501", "[::1]:8501"),
        (f"grpc://me:{SECRET}@host:8500", "grpc://host:8500", "host:8500"),
        (f"http://me:a@b{SECRET}@host:1", "http://host:1", "host:1"),
    ],
)
def test_a_url_is_taken_apart_and_shown_without_its_credentials(url, base, target):
    address = parse_address(url)
    assert (address.base, address.target) == (base, target)
    assert SECRET not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "", "host", "host:8500", "ftp://host", "grpc://", "grpc://host", "http://:8501",
        "http://host:port", "http://host:0", "http://host:99999", "http://ho st", "http://h\nost",
        "http://\x1b[2J", "http://[::1", "http://host?x", "http://host#x", "grpc://host:1/path",
        f"http://me:{SECRET}/x@host", f"http://me:{SECRET}?x@host", f"http://me:{SECRET}#@host",
        f"http://me:1/{SECRET}@host", f"me:{SECRET}@host", f"ftp://me:{SECRET}@host",
        f"http://me:{SECRET}\u2100@ho\u2100st", f"http://me:{SECRET}@[::1",
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_in_one_line_that_hides_credentials(url):
    with pytest.raises(ValueError) as caught:
        parse_address(url)
    line = str(caught.value)
    assert line.isprintable() and "Received: " in line
    assert SECRET not in line


@pytest.mark.parametrize("model", ["", ".", "..", "a/b", "../../etc", "a\nb", "a\x1b", "\ud800"])
def test_a_name_that_no_model_has_is_refused(model):
    with pytest.raises(ValueError, match="a model has a name"):
        ServingClient("http://host:1", model)
    with pytest.raises(ValueError, match="a label has a name"):
        ServingClient("http://host:1", "toy", label=model)


def test_a_version_is_a_number_that_servers_know():
    assert Which("toy", 7).path == "/v1/models/toy/versions/7"
    for version in (-1, 1 << 63):
        with pytest.raises(ValueError, match="a version is a number"):
            Which("toy", version)
    with pytest.raises(ValueError, match="not for both"):
        Which("toy", 1, "stable")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Key": f"{SECRET}\r\nX: y"}, {"X-Key": f"{SECRET}é"}, {"X Key": "1"}, {"": "1"},
        {":path": "1"}, {"X-Key": 1}, {"Content-Length": "3"}, {"transfer-encoding": "chunked"},
    ],
)  # fmt: skip
def test_an_invalid_header_is_refused_and_its_value_stays_hidden(headers):
    with pytest.raises(ValueError, match="header") as caught:
        ServingClient("grpc://host:1", "toy", headers=headers)
    assert SECRET not in str(caught.value)


def test_credentials_are_given_in_one_place():
    with pytest.raises(ValueError, match="not both"):
        parse_address(f"http://me:{SECRET}@host", {"authorization": "Bearer x"})


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_timeout_that_no_clock_has_is_refused(timeout):
    with pytest.raises(ValueError, match="a try takes"):
        ServingClient("http://host:1", "toy", timeout=timeout)


@pytest.mark.parametrize(
    "options", [{"retries": -1}, {"first": -1}, {"longest": float("nan")}, {"total": 0}]
)
def test_a_backoff_that_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match="retries and waits"):
        Backoff(**options)
