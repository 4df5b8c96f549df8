"""Part of the STAND-IN: TF Serving's REST interface over its gRPC messages."""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

METRICS = "/monitoring/prometheus/metrics"
PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>/metadata|:predict)?"
)
STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
}


def make_handler(server, refused):
    """Return the request handler class of `server`; `refused` is what its methods raise."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path == METRICS:
                self._send(200, server.metrics().encode(), "text/plain")
            else:
                self._respond(None)

        def do_POST(self):
            size = int(self.headers.get("Content-Length", 0))
            self._respond(self.rfile.read(size))

        def _respond(self, body: bytes | None) -> None:
            try:
                status, answer = 200, _answer(server, self.path, body)
            except refused as error:
                status, answer = STATUS[error.code], {"error": str(error)}
            except (ValueError, KeyError, TypeError) as error:
                status, answer = 400, {"error": f"JSON Parse error: {error}"}
            self._send(status, json.dumps(answer).encode(), "application/json")

        def _send(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _answer(server, path: str, body: bytes | None) -> dict:
    found = PATH.fullmatch(path)
    if not found or (found["what"] == ":predict") != (body is not None):
        raise ValueError(f"Malformed request: {path}")
    if found["what"] is None:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = found["name"]
        return json_format.MessageToDict(server.status(request), preserving_proto_field_name=True)
    if found["what"] == "/metadata":
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        _fill(request.model_spec, found)
        return json_format.MessageToDict(server.metadata(request), preserving_proto_field_name=True)
    return _predict(server, found, json.loads(body))


def _predict(server, found, asked: dict) -> dict:
    request = predict_pb2.PredictRequest()
    _fill(request.model_spec, found)
    request.model_spec.signature_name = asked.get("signature_name", "serving_default")
    _, held = server.find(request.model_spec)
    definition = held.signature_defs.get(request.model_spec.signature_name)
    wanted = dict(definition.inputs) if definition else {}
    by_row = "instances" in asked
    values = asked["instances"] if by_row else asked["inputs"]
    if by_row and values and isinstance(values[0], dict) and set(values[0]) == set(wanted):
        values = {name: [row[name] for row in values] for name in wanted}
    if not isinstance(values, dict) or "b64" in values:
        values = {name: values for name in list(wanted)[:1]}
    for name, rows in values.items():
        dtype = tf.as_dtype(wanted[name].dtype) if name in wanted else tf.float32
        array = np.array(_decode(rows), dtype=dtype.as_numpy_dtype)
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array, dtype=dtype))
    outputs = {
        name: _plain(tf.make_ndarray(proto))
        for name, proto in server.predict(request).outputs.items()
    }
    if by_row:
        rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        return {"predictions": rows if len(outputs) > 1 else next(iter(outputs.values()))}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


def _fill(spec, found) -> None:
    spec.name = found["name"]
    if found["version"]:
        spec.version.value = int(found["version"])
    elif found["label"]:
        spec.version_label = found["label"]


def _decode(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return [_decode(one) for one in value] if isinstance(value, list) else value


def _plain(values):
    """Nested lists of what JSON can hold; strings are taken to be UTF-8, as the real one does."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [_plain(one) for one in values]
    return values.decode() if isinstance(values, bytes) else values
