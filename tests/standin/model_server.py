"""A STAND-IN for tensorflow_model_server, for tests on loopback. Not a server to deploy.

TensorFlow Serving is in no package registry. This is made of its official gRPC services over the
SavedModel runtime, and REST over those. It keeps to what the tests rely on: models.config with
versions and labels, read again when it changes; batches padded to the allowed sizes; warm-up before
a version is available; the wording of its errors.

    python tests/standin/model_server.py --bundle deploy/

prints one line of JSON with its ports once every version is loaded.
"""

import argparse
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path

import grpc
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import servable  # noqa: E402  (a sibling, found through the line above)
from rest_handler import make_handler  # noqa: E402

LOOPBACK = "127.0.0.1"
POLL_S = 0.2


class Refused(Exception):
    """A request that the server answers with an error, by its gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


class Server:
    """The models of one folder, and the requests to them."""

    def __init__(self, bundle: Path, root: str):
        self.bundle, self.root = bundle, root
        self.models = {}  # name -> {version: Servable}
        self.labels = {}  # name -> {label: version}
        self.lock = threading.Lock()
        self.stamp = None

    def poll(self) -> None:
        """Load what models.config newly asks for, then unload what it no longer does."""
        path = self.bundle / "models.config"
        stamp = path.stat().st_mtime_ns
        if stamp == self.stamp:
            return
        config = text_format.Parse(
            path.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig()
        )
        self._relabel(config)
        for entry in config.model_config_list.config:
            wanted = list(entry.model_version_policy.specific.versions)
            folder = self.bundle / Path(entry.base_path).relative_to(self.root)
            held = dict(self.models.get(entry.name, {}))
            for version in wanted:
                if version not in held:
                    held[version] = servable.load(folder / str(version))
                    with self.lock:  # available before anything else is taken away
                        self.models[entry.name] = dict(held)
            with self.lock:
                gone = [held.pop(version) for version in list(held) if version not in wanted]
                self.models[entry.name] = held
            for old in gone:
                old.drain()
        self.stamp = stamp

    def _relabel(self, config) -> None:
        """Take the labels before any version is loaded; raises where a known one cannot move."""
        fresh = {}
        for entry in config.model_config_list.config:
            held, known = self.models.get(entry.name, {}), self.labels.get(entry.name, {})
            for label, version in entry.version_labels.items():
                if known.get(label, version) != version and version not in held:
                    raise ValueError(
                        f"Request to assign label to version {version} of model {entry.name}, "
                        "which is not currently available for inference"
                    )
            fresh[entry.name] = dict(entry.version_labels)
        with self.lock:
            self.labels = fresh

    def keep_polling(self) -> None:
        while True:
            time.sleep(POLL_S)
            try:
                self.poll()
            except Exception as error:  # as the real one: complain, and try again at the next poll
                print(f"standin: {error}", file=sys.stderr)

    def find(self, spec):
        """Return (version, servable) for a ModelSpec; raises Refused."""
        with self.lock:
            held, labels = self.models.get(spec.name), self.labels.get(spec.name, {})
        if not held:
            raise Refused(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )
        version = max(held)
        if spec.HasField("version"):
            version = spec.version.value
        elif spec.version_label:
            if spec.version_label not in labels:
                raise Refused(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Unrecognized servable version label: {spec.version_label}",
                )
            version = labels[spec.version_label]
        if version not in held:
            raise Refused(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({spec.name}, {version})",
            )
        return version, held[version]

    def predict(self, request) -> predict_pb2.PredictResponse:
        """Answer a PredictRequest; raises Refused."""
        signature = request.model_spec.signature_name or "serving_default"
        while True:
            version, held = self.find(request.model_spec)
            try:
                outputs = held.predict(signature, request.inputs)
                break
            except servable.Drained:  # unloaded between finding and using it: find it again
                continue
            except servable.Busy as error:
                raise Refused(grpc.StatusCode.UNAVAILABLE, str(error)) from error
            except ValueError as error:
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        response = predict_pb2.PredictResponse(outputs=outputs)
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        response.model_spec.signature_name = signature
        return response

    def metadata(self, request) -> get_model_metadata_pb2.GetModelMetadataResponse:
        version, held = self.find(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(
            get_model_metadata_pb2.SignatureDefMap(signature_def=held.signature_defs)
        )
        return response

    def metrics(self) -> str:
        """How many batches of each size were run, as Prometheus reads it."""
        with self.lock:
            versions = [(name, v, s) for name, held in self.models.items() for v, s in held.items()]
        return "".join(
            f'standin_batches{{model="{name}",version="{version}",size="{size}"}} {count}\n'
            for name, version, held in versions
            for size, count in sorted(held.ran.items())
        )

    def status(self, request) -> get_model_status_pb2.GetModelStatusResponse:
        with self.lock:
            held = self.models.get(request.model_spec.name)
        if not held:
            raise Refused(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find any versions of model {request.model_spec.name}",
            )
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in sorted(held, reverse=True):
            response.model_version_status.add(
                version=version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
            )
        return response


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server: Server):
        self.server = server

    def Predict(self, request, context):
        return _answer(self.server.predict, request, context)

    def GetModelMetadata(self, request, context):
        return _answer(self.server.metadata, request, context)


class Model(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, server: Server):
        self.server = server

    def GetModelStatus(self, request, context):
        return _answer(self.server.status, request, context)


def _answer(method, request, context):
    try:
        return method(request)
    except Refused as refused:
        context.abort(refused.code, str(refused))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--root", default="/bundle", help="what models.config calls the bundle")
    parser.add_argument("--max-message", type=int, default=-1, help="bytes that gRPC takes")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rest-port", type=int, default=0)
    args = parser.parse_args()

    server = Server(args.bundle, args.root)
    server.poll()
    threading.Thread(target=server.keep_polling, daemon=True).start()
    options = [("grpc.max_receive_message_length", args.max_message)]
    rpc = grpc.server(ThreadPoolExecutor(64), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(server), rpc)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Model(server), rpc)
    port = rpc.add_insecure_port(f"{LOOPBACK}:{args.port}")
    rpc.start()
    ThreadingHTTPServer.request_queue_size = 128
    rest = ThreadingHTTPServer((LOOPBACK, args.rest_port), make_handler(server, Refused))
    print(json.dumps({"grpc": port, "rest": rest.server_port}), flush=True)
    rest.serve_forever()


if __name__ == "__main__":
    main()
