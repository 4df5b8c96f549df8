"""The client against the stand-in: both transports, retries, errors, versions that change."""

import os
import re
import threading
import time
import urllib.request
from collections import Counter

import numpy as np
import pytest
from standin_process import REAL, SERVERS, free_port
from toy_artifact import LABELS, ToyRecipe, make_toy, toy_logits

from export.serving.bundle import add, promote
from export.serving.client import Backoff, ServerError, ServingClient
from export.serving.client.load_test import run_all
from export.serving.warmup import sample_png
from keras_nets.preprocess import preprocess


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Two versions of the toy that answer differently."""
    out = tmp_path_factory.mktemp("exports")
    return [make_toy(out / str(seed), seed=seed) for seed in (0, 1)]


@pytest.fixture(
    scope="module",
    params=[
        "standin",
        pytest.param("real", marks=pytest.mark.skipif(not REAL, reason="no model server on PATH")),
    ],
)
def kind(request):
    """Which server: the stand-in, and tensorflow_model_server where it is installed."""
    return request.param


@pytest.fixture(scope="module")
def bundle(kind, artifacts, tmp_path_factory):
    folder = tmp_path_factory.mktemp(kind)
    add(artifacts[0], folder, root=str(folder))
    return folder


@pytest.fixture(scope="module")
def server(kind, bundle):
    with SERVERS[kind](bundle, max_message=1_000_000) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def client(request, server):
    with ServingClient(getattr(server, request.param), "toy") as made:
        yield made


def images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_logits_come_back_for_every_row_of_a_batch(client, batch):
    got = client.predict(images(batch))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, toy_logits(images(batch)), atol=1e-5)


def test_a_picture_is_classified_as_its_preprocessing_would_have_it(client):
    guesses = client.classify([sample_png(), sample_png(50, 40)])[0]
    logits = toy_logits(preprocess(sample_png(), ToyRecipe())[None])[0]
    best = np.argsort(-logits)[:5]
    assert [guess.label for guess in guesses] == [LABELS[i] for i in best]
    softmax = np.exp(logits) / np.exp(logits).sum()
    assert [guess.probability for guess in guesses] == pytest.approx(softmax[best].tolist(), 1e-4)


def test_the_signatures_are_the_contract(client):
    signatures = client.signatures()
    assert set(signatures) == {"serving_default", "classify"}
    assert signatures["serving_default"].inputs["image"].shape == (-1, 8, 8, 3)
    assert signatures["serving_default"].inputs["image"].dtype == "DT_FLOAT"
    assert set(signatures["classify"].outputs) == {"labels", "probabilities"}


def test_the_status_tells_each_version(client):
    assert client.status() == {1: "AVAILABLE"}


def batches_run(server):
    with urllib.request.urlopen(f"{server.rest}/monitoring/prometheus/metrics") as answer:
        counts = re.findall(r'size="(\d+)"} (\d+)', answer.read().decode())
    return Counter({int(size): int(count) for size, count in counts})


def test_requests_share_batches_of_the_allowed_sizes_and_get_their_own_rows(client, server, kind):
    if kind == "real":
        pytest.skip("only the stand-in says which batches it ran")
    before = batches_run(server)
    answers, _ = run_all(lambda seed: client.predict(images(3, seed)), range(60), concurrency=20)
    for answer in answers:
        np.testing.assert_allclose(answer.result, toy_logits(images(3, answer.request)), atol=1e-5)
    ran = batches_run(server) - before
    assert set(ran) <= {4, 8}  # never 3, which no engine is built for
    assert ran[8] > 0  # two requests in one


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_a_label_reaches_its_version_and_an_unknown_one_is_refused_at_once(server, scheme):
    with ServingClient(getattr(server, scheme), "toy", label="stable") as client:
        assert client.predict(images(1)).shape == (1, 6)
    with (
        ServingClient(getattr(server, scheme), "toy", label="beta") as client,
        pytest.raises(ServerError, match="beta") as caught,
    ):
        client.predict(images(1))
    assert not caught.value.retryable


def test_a_request_over_the_largest_batch_is_refused_and_not_retried(client):
    begin = time.perf_counter()
    with pytest.raises(ServerError, match="larger than maximum input batch size 8"):
        client.predict(images(9))
    assert time.perf_counter() - begin < 2


def test_images_of_another_size_are_refused(client):
    with pytest.raises(ServerError) as caught:
        client.predict(np.zeros((1, 4, 4, 3), np.float32))
    assert not caught.value.retryable


def test_a_picture_that_is_cut_short_is_not_even_sent(client):
    with pytest.raises(ValueError, match="cut short"):
        client.classify([sample_png()[:-20]])


def test_a_picture_that_the_server_cannot_decode_is_refused_with_its_reason(client):
    broken = sample_png()[:40] + b"\0" * 40 + sample_png()[80:]
    with pytest.raises(ServerError) as caught:
        client.classify([broken])
    assert not caught.value.retryable


def test_a_message_over_the_limit_of_the_server_is_refused_and_not_retried(server):
    with ServingClient(server.grpc, "toy") as client:
        with pytest.raises(ServerError, match="RESOURCE_EXHAUSTED") as caught:
            client.predict(images(2000))
        assert not caught.value.retryable
        assert client.predict(images(1)).shape == (1, 6)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_not_there_costs_the_retries_and_then_an_error(scheme):
    backoff = Backoff(retries=2, first=0.01)
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with (
        ServingClient(url, "toy", backoff=backoff, timeout=2) as client,
        pytest.raises(ServerError) as caught,
    ):
        client.predict(images(1))
    assert caught.value.retryable


@pytest.mark.parametrize("url", ["127.0.0.1:8500", "ftp://host", "grpc://"])
def test_a_url_of_another_kind_is_refused(url):
    with pytest.raises(ValueError, match="grpc://HOST:PORT"):
        ServingClient(url, "toy")


def wait_for_status(client, wanted):
    """Return once the versions that are not gone are in the states `wanted`."""
    deadline = time.monotonic() + 60
    while True:
        found = {version: s for version, s in client.status().items() if s != "END"}
        if found == wanted:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_a_version_switches_under_load_without_a_failed_request(artifacts, bundle, server):
    """Last of those on the module's server, which serves version 2 from here on."""
    seen, failures, stop = set(), [], threading.Event()
    want = {1: toy_logits(images(2), seed=0), 2: toy_logits(images(2), seed=1)}

    def load(url):
        with ServingClient(url, "toy", backoff=Backoff(retries=0)) as client:
            while not stop.is_set():
                try:
                    got = client.predict(images(2))
                except ServerError as error:
                    failures.append(error)
                    return
                versions = [v for v, logits in want.items() if np.allclose(got, logits, atol=1e-5)]
                seen.update(versions or ["neither"])

    threads = [threading.Thread(target=load, args=(url,)) for url in (server.grpc, server.rest) * 3]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        with ServingClient(server.grpc, "toy") as client:
            add(artifacts[1], bundle)
            wait_for_status(client, {1: "AVAILABLE", 2: "AVAILABLE"})
            promote(bundle, "toy")  # version 1 is unloaded while requests are under way
            wait_for_status(client, {2: "AVAILABLE"})
        time.sleep(0.2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert seen == {1, 2}


def test_a_server_that_dies_in_the_middle_and_comes_back_loses_no_request(kind, bundle, server):
    """The last of all: it kills the module's server, and starts another on its ports."""
    patient = Backoff(retries=300, first=0.1, longest=1.0)
    answered, wanted = [], 400

    def load(url):
        with ServingClient(url, "toy", backoff=patient) as client:
            for _ in range(wanted // 4):
                answered.append(len(client.predict(images(1))))

    threads = [threading.Thread(target=load, args=(url,)) for url in (server.grpc, server.rest) * 2]
    for thread in threads:
        thread.start()
    while not answered:
        time.sleep(0.001)
    server.process.kill()  # with a request of every thread under way
    server.process.wait()
    before = len(answered)
    with SERVERS[kind](bundle, (server.grpc_port, server.rest_port)):
        for thread in threads:
            thread.join()
    assert before < wanted
    assert answered == [1] * wanted


@pytest.mark.skipif("TF_SERVING_URL" not in os.environ, reason="TF_SERVING_URL is not set")
def test_a_server_that_runs_elsewhere_answers_by_the_contract():
    """TF_SERVING_URL is its address, TF_SERVING_MODEL a model of this toolkit that it serves."""
    url, model = os.environ["TF_SERVING_URL"], os.environ["TF_SERVING_MODEL"]
    with ServingClient(url, model, timeout=600) as client:
        assert "AVAILABLE" in client.status().values()
        shape = client.signatures()["serving_default"].inputs["image"].shape
        logits = client.predict(np.ones((1, *shape[1:]), np.float32))
        assert np.isfinite(logits).all()
        assert logits.shape[0] == 1
