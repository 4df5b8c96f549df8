"""How the process that runs a network loads it, by functions that pickle."""

from collections.abc import Callable
from pathlib import Path

from export.errors import ArtifactError
from export.evaluation.predictor import Running
from export.formats import find_format
from export.report.artifact import Artifact
from export.runtimes import parity_runtime
from export.runtimes.tensorflow import take_threads

Build = Callable[[], object]  # -> a Keras model; has to pickle


def load_artifact(artifact: Artifact, threads: int | None = None) -> Running:
    runtime = parity_runtime(find_format(artifact.format))
    session = runtime.open(artifact.folder, threads)
    (given,), (made,) = artifact.contract.inputs, artifact.contract.outputs
    return Running(lambda images: session.predict({given.name: images})[made.name], runtime.title)


def load_keras(
    artifact: Artifact, build: Build, source: str, threads: int | None = None
) -> Running:
    """Build the Keras model behind an artifact; `source` is what its weights are from.

    Raises ArtifactError where that is not there, or is not what the artifact was exported from.
    """
    if ":" not in source and not Path(source).exists():  # else a seed, or a function
        raise ArtifactError(
            f"{source} is not there; say with --weights where the file lies, or leave the Keras "
            "model out with --no-keras"
        )
    from export.observe.weights import canonical_sha256  # TensorFlow loads below this line

    take_threads(threads)
    model = build()
    if canonical_sha256(model) != artifact.weights_sha256:
        raise ArtifactError(
            f"{source} holds other weights than {artifact.folder} was exported from; give the "
            "right file with --weights, or leave the Keras model out with --no-keras"
        )
    return Running(model.predict_on_batch, "Keras on TensorFlow")
