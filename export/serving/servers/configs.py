"""The three files that tensorflow_model_server reads, and the one inside each version."""

from google.protobuf import text_format

from export.errors import ExportError
from export.serving.ledger import TF_SERVING, Ledger
from export.serving.protos import configs, messages
from export.serving.servers import modelserver

PER_VERSION = "batching_params.pbtxt"  # in the version's folder, where the server looks for it
HEAD = "# Written by tools/bundle.py from bundle.json; an edit here stops its next run.\n"

# A request waits this long for others to share a batch with; an engine call takes about as long.
TIMEOUT_US = 1000
ENQUEUED_BATCHES = 100  # beyond it the server answers "unavailable", and clients back off


def models_config(ledger: Ledger) -> str:
    """Return models.config: every model, its loaded versions, and the labels on them."""
    config = messages().ModelServerConfig()
    for model in ledger.on(TF_SERVING):
        entry = config.model_config_list.config.add(
            name=model.name,
            base_path=f"{ledger.root}/{model.folder}",
            model_platform="tensorflow",
        )
        entry.model_version_policy.specific.versions.extend(model.loaded)
        entry.version_labels["stable"] = model.stable
        # A running server takes a label that is new to it at once. One that it knows it moves only
        # to a version that it has loaded; before that it loads nothing, so the two would wait for
        # each other if `canary` had always been there.
        if model.canary != model.stable:
            entry.version_labels["canary"] = model.canary
    return HEAD + text_format.MessageToString(config)


def batching_parameters(batch_sizes: tuple[int, ...]) -> str:
    """Return batching parameters for `batch_sizes`, ascending; the last is the largest batch."""
    parameters = configs().BatchingParameters()
    parameters.max_batch_size.value = batch_sizes[-1]
    parameters.batch_timeout_micros.value = TIMEOUT_US
    parameters.max_enqueued_batches.value = ENQUEUED_BATCHES
    parameters.allowed_batch_sizes.extend(batch_sizes)
    return HEAD + text_format.MessageToString(parameters)


def monitoring_config() -> str:
    """Return monitoring.config: metrics for Prometheus on the REST port."""
    config = configs().MonitoringConfig()
    config.prometheus_config.enable = True
    config.prometheus_config.path = modelserver.METRICS
    return HEAD + text_format.MessageToString(config)


def shared_batch_sizes(ledger: Ledger) -> tuple[int, ...]:
    """Return the batch sizes that all models of TF Serving have in common, ascending.

    Raises ExportError if there are none: one file must do for a server without
    --enable_per_model_batching_parameters.
    """
    models = ledger.on(TF_SERVING)
    common = set.intersection(*(set(model.batch_sizes) for model in models))
    if not common:
        sizes = "; ".join(
            f"{model.name} {number}: {list(version.batch_sizes)}"
            for model in models
            for number, version in model.loaded.items()
        )
        raise ExportError(f"no batch size suits all that is served here ({sizes}); use two folders")
    return tuple(sorted(common))
