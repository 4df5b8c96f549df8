"""Servers of other projects, met for real: Triton over a bundle's folder, KServe by the client.

    pytest -m servers

They come from the package registry into environments of their own, 450 MB each, at first use.
"""

import shutil
from collections import Counter

import numpy as np
import onnxruntime
import pytest
from real_servers import LOOPBACK, kserve_server, tritonserver
from toy_artifact import BATCH_SIZES, make_onnx, toy_kernel, toy_logits

from export.serving.bundle import add
from export.serving.client import Backoff, ServerError, ServingClient

pytestmark = [pytest.mark.slow, pytest.mark.servers]
ONCE = Backoff(retries=0)


def images(batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return make_onnx(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def triton(artifact, tmp_path_factory):
    """Triton over a bundle, three spoilt models beside its own, and the batches run so far."""
    deploy = tmp_path_factory.mktemp("bundle")
    add(artifact, deploy)
    repository = deploy / "triton"
    config = (repository / "toy" / "config.pbtxt").read_text(encoding="utf-8")
    spoilt = {
        "field": config.replace('name: "toy"', 'name: "field"', 1) + "no_such_field: 1\n",
        "misnamed": config,
        "backend": config.replace('name: "toy"', 'name: "backend"', 1).replace(
            'backend: "onnxruntime"', 'backend: "none"'
        ),
    }
    for name, text in spoilt.items():
        shutil.copytree(repository / "toy", repository / name)
        (repository / name / "config.pbtxt").write_text(text, encoding="utf-8")
    with tritonserver(repository, tmp_path_factory.mktemp("triton")) as (server, batches):
        yield server, batches.read_text().splitlines()


@pytest.fixture(scope="module")
def triton_client(triton):
    from tritonclient.grpc import InferenceServerClient

    with InferenceServerClient(f"{LOOPBACK}:{triton[0].grpc_port}") as client:
        yield client


def ask_triton(client, batch: np.ndarray) -> np.ndarray:
    from tritonclient.grpc import InferInput

    image = InferInput("image", list(batch.shape), "FP32")
    image.set_data_from_numpy(batch)
    return client.infer("toy", [image], client_timeout=30).as_numpy("logits")


def test_triton_loads_the_folder_as_the_bundle_wrote_it(triton_client):
    assert triton_client.is_model_ready("toy")
    config = triton_client.get_model_config("toy").config
    assert config.backend == "onnxruntime"
    assert config.max_batch_size == BATCH_SIZES[-1]
    assert list(config.dynamic_batching.preferred_batch_size) == list(BATCH_SIZES)


def test_triton_warms_up_every_batch_size_before_the_model_is_ready(triton):
    ran = Counter(triton[1])  # each instance warms up for itself
    assert set(ran) == {f"toy {size}" for size in BATCH_SIZES}
    assert len(set(ran.values())) == 1


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_triton_answers_with_the_logits_of_onnx_runtime(triton_client, artifact, batch):
    session = onnxruntime.InferenceSession(artifact / "model.onnx")
    expected = session.run(["logits"], {"image": images(batch)})[0]
    np.testing.assert_array_equal(ask_triton(triton_client, images(batch)), expected)


def test_triton_refuses_a_batch_over_the_largest(triton_client):
    with pytest.raises(Exception, match="batch-size must be <= 8"):
        ask_triton(triton_client, images(9))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("field", "failed to read text proto"),
        ("misnamed", "directory name must equal model name"),
        ("backend", "unable to find backend library for backend 'none'"),
    ],
)
def test_triton_refuses_a_folder_that_is_spoilt(triton, triton_client, name, reason):
    states = {m.name: m for m in triton_client.get_model_repository_index().models}
    assert not triton_client.is_model_ready(name)
    assert name not in states or states[name].state != "READY"
    said = [line for line in triton[0].log.read_text().splitlines() if name in line]
    assert any(reason in line for line in said), said


@pytest.fixture(scope="module")
def kserve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kserve")
    np.save(folder / "kernel.npy", toy_kernel(0))
    with kserve_server(folder / "kernel.npy", folder) as server:
        yield f"http://{LOOPBACK}:{server.http_port}"


def test_kserve_s_own_server_takes_the_client_s_requests(kserve):
    with ServingClient(kserve, "toy", backoff=ONCE) as client:
        for batch in (1, 3, 8):
            np.testing.assert_allclose(
                client.predict(images(batch)), toy_logits(images(batch)), atol=1e-5
            )


def test_kserve_s_refusals_come_as_errors_of_the_client(kserve):
    with (
        ServingClient(kserve, "tot", backoff=ONCE) as client,
        pytest.raises(ServerError, match="answered 404: .*tot") as caught,
    ):
        client.predict(images(1))
    assert not caught.value.retryable


def test_kserve_s_protocol_has_no_signatures_no_versions_and_another_status(kserve):
    """What docs/serving.md says of it."""
    with ServingClient(kserve, "toy", backoff=ONCE) as client:
        with pytest.raises(ServerError, match="/metadata answered 404"):
            client.signatures()
        with pytest.raises(ServerError, match="without 'model_version_status'"):
            client.status()
    with (
        ServingClient(kserve, "toy", version=1, backoff=ONCE) as client,
        pytest.raises(ServerError, match="answered 404"),
    ):
        client.predict(images(1))
