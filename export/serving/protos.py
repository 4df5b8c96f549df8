"""Imports TF Serving's protobufs without TensorFlow. Nothing else imports them.

`tensorflow_serving` imports messages from `tensorflow.core`, and to import anything below
`tensorflow` runs TensorFlow's own start-up (3 s and 0.5 GB). The generated files need nothing but
protobuf, so they are imported with a bare `tensorflow` package in place, which is then taken away:
a later `import tensorflow` starts in full and shares the same message classes.
"""

import sys
import threading
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from export.child import in_a_line
from export.errors import MissingPackage
from export.lazy import install

PACKAGE = "tensorflow"
_LOCK = threading.Lock()


@cache
def messages() -> SimpleNamespace:
    """Messages of TF Serving and of SavedModel, by their own names."""
    return _import(
        PredictionLog="tensorflow_serving.apis.prediction_log_pb2",
        PredictRequest="tensorflow_serving.apis.predict_pb2",
        PredictResponse="tensorflow_serving.apis.predict_pb2",
        GetModelStatusRequest="tensorflow_serving.apis.get_model_status_pb2",
        GetModelStatusResponse="tensorflow_serving.apis.get_model_status_pb2",
        ModelVersionStatus="tensorflow_serving.apis.get_model_status_pb2",
        GetModelMetadataRequest="tensorflow_serving.apis.get_model_metadata_pb2",
        GetModelMetadataResponse="tensorflow_serving.apis.get_model_metadata_pb2",
        SignatureDefMap="tensorflow_serving.apis.get_model_metadata_pb2",
        ModelServerConfig="tensorflow_serving.config.model_server_config_pb2",
        SavedModel="tensorflow.core.protobuf.saved_model_pb2",
        MetaGraphDef="tensorflow.core.protobuf.meta_graph_pb2",
        TensorProto="tensorflow.core.framework.tensor_pb2",
        DataType="tensorflow.core.framework.types_pb2",
    )


@cache
def stubs() -> SimpleNamespace:
    """Return the official gRPC stubs and servicers, and with them grpc."""
    return _import(
        PredictionServiceStub="tensorflow_serving.apis.prediction_service_pb2_grpc",
        ModelServiceStub="tensorflow_serving.apis.model_service_pb2_grpc",
    )


@cache
def configs() -> SimpleNamespace:
    """BatchingParameters and MonitoringConfig, which the package of TF Serving's API leaves out.

    Source: tensorflow/serving `servables/tensorflow/session_bundle_config.proto` and
    `config/monitoring_config.proto`. The files are text, where names count and numbers do not.
    """
    pool = descriptor_pool.DescriptorPool()  # its own: another package may bring the real ones
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="tensorflow_serving_configs.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for name, fields in _CONFIGS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            _add_field(message, field, number, kind)
    pool.Add(file)
    return SimpleNamespace(
        **{
            name: message_factory.GetMessageClass(
                pool.FindMessageTypeByName(f"tensorflow.serving.{name}")
            )
            for name in _CONFIGS
        }
    )


_CONFIGS = {
    "BatchingParameters": {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "allowed_batch_sizes": "repeated int64",
        "pad_variable_length_inputs": "bool",
        "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    },
    "PrometheusConfig": {"enable": "bool", "path": "string"},
    "MonitoringConfig": {"prometheus_config": "PrometheusConfig"},
}


def _add_field(message, name: str, number: int, kind: str) -> None:
    """Add to a DescriptorProto the field `number` of a scalar kind, a wrapper or a message."""
    label, _, scalar = kind.rpartition(" ")
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if label else field.LABEL_OPTIONAL
    if scalar.islower() or scalar == "int64":
        field.type = getattr(field, f"TYPE_{scalar.upper()}")
        return
    field.type = field.TYPE_MESSAGE
    package = "google.protobuf" if scalar.endswith("Value") else "tensorflow.serving"
    field.type_name = f".{package}.{scalar}"


def _import(**modules: str) -> SimpleNamespace:
    """Return the named things of the named generated modules."""
    try:
        with _bare_tensorflow():
            return SimpleNamespace(
                **{name: getattr(import_module(module), name) for name, module in modules.items()}
            )
    except Exception as cause:  # a mismatched protobuf raises TypeError and its own kinds
        raise MissingPackage(
            f"serving needs tensorflow-serving-api, which gave {in_a_line(cause)}; "
            f"{install('serving')}"
        ) from cause


@contextmanager
def _bare_tensorflow():
    """Make `tensorflow.core` importable without running the package `tensorflow`."""
    with _LOCK:
        if PACKAGE in sys.modules:
            yield
            return
        spec = find_spec(PACKAGE)  # of a top-level package: nothing of it runs
        if spec is None:
            raise ModuleNotFoundError("No module named 'tensorflow'")
        bare = ModuleType(PACKAGE)
        bare.__path__ = list(spec.submodule_search_locations)
        sys.modules[PACKAGE] = bare
        try:
            yield
        finally:
            for name in [n for n in sys.modules if n.split(".")[0] == PACKAGE]:
                del sys.modules[name]
