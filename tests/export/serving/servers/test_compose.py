"""compose.yaml as an operator wants it, and the script that both it and Kubernetes ask with."""

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from export.contract import Contract
from export.serving.ledger import Ledger, Model, Version
from export.serving.servers.compose import compose
from export.serving.servers.modelserver import IMAGE, check_image, image_for, readiness, tag_of

SILENT_FP32 = "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION"


def service_of(*formats, image=""):
    ledger = Ledger(image=image)
    for number, format in enumerate(formats):
        version = Version(
            format=format,
            contract=Contract.of_classifier((224, 224, 3), 1000),
            batch_sizes=(1, 4, 8),
            bytes=1 << 29,
            files={},
        )
        ledger = ledger.put(
            Model(
                name=f"net{number}", server="tf-serving", stable=1, canary=1, versions={1: version}
            )
        )
    return yaml.safe_load(compose(ledger))["services"]["serving"]


@pytest.mark.parametrize("format", ["savedmodel", "tftrt-fp16"])
def test_a_server_has_only_the_rights_it_needs_and_a_limit_on_its_memory(format):
    service = service_of(format)
    assert service["user"] not in ("0", "root")
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    limits = service["deploy"]["resources"]["limits"]
    assert int(limits["memory"].removesuffix("G")) >= 2
    assert limits["pids"] > 0


@pytest.mark.parametrize(
    ("formats", "value"),
    [(["savedmodel"], None), (["tftrt-fp16"], "False"), (["savedmodel", "tftrt-fp32"], "False")],
)
def test_an_engine_that_cannot_be_built_is_an_error(formats, value):
    service = service_of(*formats)
    assert service["environment"].get(SILENT_FP32) == value
    assert ("reservations" in service["deploy"]["resources"]) == (value is not None)


def test_dollars_are_doubled_since_compose_would_put_variables_in():
    script = service_of("savedmodel", "savedmodel")["healthcheck"]["test"][-1]
    assert script.replace("$$", "$") == readiness(["net0", "net1"])
    assert "$" not in script.replace("$$", "")


@contextmanager
def server_of(states):
    """Answer for models as TF Serving does: `states` is name -> the state of its version."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state = states.get(self.path.removeprefix("/v1/models/"))
            self.send_response(200 if state else 404)
            self.end_headers()
            self.wfile.write(f'{{"version": "1",\n "state": "{state}"}}\n'.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def is_ready(names, port):
    command = ["bash", "-c", readiness(names, port)]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_a_server_is_ready_once_every_model_is_and_not_before():
    names = ["vgg13", "squeezenet1_1"]
    for states, ready in (
        ({"vgg13": "AVAILABLE", "squeezenet1_1": "AVAILABLE"}, True),
        ({"vgg13": "AVAILABLE", "squeezenet1_1": "LOADING"}, False),
        ({"vgg13": "LOADING", "squeezenet1_1": "AVAILABLE"}, False),
        ({"squeezenet1_1": "AVAILABLE"}, False),
    ):
        with server_of(states) as port:
            assert is_ready(names, port) == ready
    assert not is_ready(names, port)  # nobody listens there any more


@pytest.mark.parametrize(
    "image", [IMAGE, f"{IMAGE}@sha256:{'0' * 64}", "registry:5000/x/serving:2.17.0-gpu"]
)
def test_an_image_with_a_tag_is_taken_with_or_without_a_digest(image):
    assert check_image(image) == image
    assert image_for(["savedmodel"], image) == image
    assert tag_of(image) in ("2.21.0", "2.17.0-gpu")


@pytest.mark.parametrize(
    "image",
    ["", "tensorflow/serving", "tensorflow/serving:latest", "serving@sha256:00", "a b:2.17", "x\n"],
)
def test_an_image_that_does_not_say_its_release_is_refused(image):
    with pytest.raises(ValueError, match="has a tag"):
        check_image(image)
