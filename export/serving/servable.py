"""Which artifacts are served, under which name and by which server."""

from pathlib import Path

from export.contract import in_words
from export.errors import ArtifactError, ExportError
from export.formats.names import ONNXRUNTIME, TF_SERVING_GPU
from export.printable import printable
from export.report.artifact import Artifact, read_artifact
from export.report.file import NAME as REPORT
from export.results import Status
from export.serving.formats import formats_on, server_of
from export.serving.ledger import TF_SERVING, TRITON
from export.serving.names import check_name, suggest
from export.serving.samples import bytes_of

LARGEST_REQUEST = (1 << 31) - 1  # bytes; protobuf's messages end there


def read_servable(folder: Path) -> Artifact:
    """Read the artifact in `folder`; raise ArtifactError if it cannot be served."""
    artifact = read_artifact(folder)
    if not artifact.passed:
        failed = [check.name for check in artifact.checks if check.status is Status.FAILED]
        raise ArtifactError(
            f"{folder} failed its verification ({', '.join(failed) or 'no check named'}); "
            "export it again, only verified artifacts are served"
        )
    _check_sizes(artifact)
    return artifact


def _check_sizes(artifact: Artifact) -> None:
    """Raise ArtifactError where no request can hold the largest batch."""
    largest = artifact.batch_sizes[-1]
    for tensors in (artifact.contract.inputs, artifact.contract.outputs):
        try:
            size = largest * sum(map(bytes_of, tensors))
        except ValueError as error:
            raise ArtifactError(f"{artifact.folder} cannot be served: {error}") from error
        if size > LARGEST_REQUEST:
            received = f"{largest} of {printable(in_words(tensors), None)}"
            raise ArtifactError(
                f"{artifact.folder / REPORT} has batches of more than 2 GB, where protobuf ends; "
                f"export it with smaller --batch-sizes. Received: {received:.120}"
            )


def choose_name(name: str | None, artifact: Artifact) -> str:
    """Return what clients call the model: `name`, or the artifact's own."""
    if name is not None:
        return check_name(name)
    try:
        return check_name(artifact.model)
    except ValueError as cause:
        raise ArtifactError(
            f"{artifact.folder} cannot be served under its own name: {cause}; "
            f"give it another with --name, such as {suggest(artifact.model)}"
        ) from cause


def choose_server(server: str | None, artifact: Artifact) -> str:
    """Return which server to add to: `server`, or the artifact's own.

    Raises ExportError if it cannot load the artifact.
    """
    own = server_of(artifact.format)
    if not own:
        raise ExportError(
            f"no server that is known here loads {artifact.format}, and {artifact.folder} is that; "
            f"export to {formats_on(TF_SERVING, TF_SERVING_GPU, ONNXRUNTIME)}"
        )
    server = server or (TRITON if own == ONNXRUNTIME else TF_SERVING)
    if server == TF_SERVING and own == ONNXRUNTIME:
        raise ExportError(
            f"TF Serving loads SavedModels, and {artifact.folder} is {artifact.format}; "
            "use --server triton"
        )
    if server == TRITON and own == TF_SERVING_GPU:
        raise ExportError(
            f"Triton after 25.02 has no TensorFlow, and {artifact.format} in older ones is "
            f"untried; serve it with TF Serving, or export to {formats_on(ONNXRUNTIME)} for Triton"
        )
    return server
