"""A file of a serving folder that does not parse is a finding, and stops no other rule."""

import pytest
from damage import edit, write

from export.serving.lint import lint

DAMAGE = {
    "ledger broken": (write("bundle.json", b"{"), "cannot read"),
    "ledger of other types": (
        edit("bundle.json", '"batch_sizes": [', '"batch_sizes": [[1],'),
        "no ledger",
    ),
    "ledger without a root": (edit("bundle.json", '"/bundle"', '""'), "an absolute path"),
    "no YAML": (write("compose.yaml", b"a: [1"), "is not YAML"),
    "no mapping": (write("compose.yaml", b"- 1"), "holds no mapping"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts


@pytest.mark.parametrize(
    "text",
    [
        b"services: []",
        b"services: {serving: 1}",
        b"services: {a: {image: [1]}}",
        b"services: {a: {image: tensorflow/serving, command: x, volumes: 3}}",
        b"services: {a: {image: tensorflow/serving:1-gpu, deploy: [], resources: 1}}",
        b"spec: {template: {spec: {containers: {a: b}}}}",
        b"spec: {template: {spec: {containers: [{image: tensorflow/serving, env: 3}]}}}",
        b"services: {a: {image: tensorflow/serving, user: [], cap_drop: 1, healthcheck: 3}}",
        b"apiVersion: kustomize.config.k8s.io/v1\nresources: 3",
        b"kind: PersistentVolumeClaim\nspec: {accessModes: 3, replicas: x}",
        b"kind: ConfigMap\ndata: 3",
        b"kind: InferenceService\nspec: {predictor: []}",
        b"kind: InferenceService\nspec: {predictor: {model: {modelFormat: {name: tensorflow}}}}",
    ],
)
def test_any_yaml_is_survived(folder, text):
    (folder / "compose.yaml").write_bytes(text)
    (folder / "kubernetes" / "configmap.yaml").write_bytes(text)
    lint(folder)
