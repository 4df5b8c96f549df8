"""Images that lack an operation, missing GPUs and copies out of step are found."""

import pytest
import yaml
from damage import edit, write

from export.serving.lint import lint


def lose(key):
    """Return what takes `key` out of the ConfigMap."""

    def spoil(folder):
        path = folder / "kubernetes/configmap.yaml"
        manifest = yaml.safe_load(path.read_text())
        del manifest["data"][key]
        path.write_text(yaml.safe_dump(manifest))

    return spoil


DAMAGE = {
    "new image": (edit("compose.yaml", "2.17.0", "2.18.0"), "TF-TRT left TensorFlow in 2.18"),
    "latest image": (edit("compose.yaml", "2.17.0-gpu", "latest"), "CreateTRTResourceHandle"),
    "image without TensorRT": (edit("compose.yaml", "2.17.0-gpu", "2.17.0"), "without TensorRT"),
    "new image in Kubernetes": (
        edit("kubernetes/deployment.yaml", "2.17.0-gpu", "2.21.0-gpu"),
        "use tensorflow/serving:2.17.0-gpu",
    ),
    "new image in KServe": (
        edit("kubernetes/kserve/fast.yaml", "2.17.0-gpu", "2.21.0-gpu"),
        "use tensorflow/serving:2.17.0-gpu",
    ),
    "no GPU in compose": (edit("compose.yaml", "deploy:", "deplore:"), "without a GPU"),
    "no GPU in Kubernetes": (
        edit("kubernetes/deployment.yaml", "nvidia.com/gpu", "amd.com/gpu"),
        "without a GPU",
    ),
    "not in the ConfigMap": (lose("monitoring.config"), "lacks monitoring.config"),
    "old ConfigMap": (edit("monitoring.config", "metrics", "numbers"), "another monitoring.config"),
    "one file mounted": (
        edit("compose.yaml", ".:/bundle:ro", "models.config:/bundle/models.config"),
        "mount the folder",
    ),
    "not merged": (write("compose.yaml.new"), "waits to be merged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts
