"""Servers without an engine, a probe or a limit, or with rights to spare, are found."""

import pytest
from damage import edit, remove

from export.serving.lint import lint

DAMAGE = {
    "no engine in compose": (
        edit("compose.yaml", "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION: 'False'", "A: 'b'"),
        "fast is served in FP32 in silence",
    ),
    "no engine in Kubernetes": (
        edit("kubernetes/deployment.yaml", "value: 'False'", "value: 'True'"),
        "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False",
    ),
    "no engine in KServe": (
        edit("kubernetes/kserve/fast.yaml", "value: 'False'", "value: '1'"),
        "fast is served in FP32 in silence",
    ),
    "one model is not asked": (
        edit("kubernetes/deployment.yaml", "for model in fast toy", "for model in toy"),
        "a readinessProbe that does not ask for fast",
    ),
    "health without one model": (
        edit("compose.yaml", "for model in fast toy", "for model in fast"),
        "a healthcheck that does not ask for toy",
    ),
    "no health": (edit("compose.yaml", "healthcheck:", "healthy:"), "has no healthcheck"),
    "root in compose": (edit("compose.yaml", "user: 65532:65532", "user: root"), "runs as root"),
    "root file system": (edit("compose.yaml", "read_only: true", "read_only: no"), "can write to"),
    "capabilities": (edit("compose.yaml", "- ALL", "- NET_RAW"), "cap_drop is not [ALL]"),
    "new privileges": (edit("compose.yaml", "no-new-priv", "new-priv"), "may gain privileges"),
    "no memory limit": (edit("compose.yaml", "memory:", "mem:"), "no limit of memory"),
    "root in Kubernetes": (
        edit("kubernetes/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        "may run as root",
    ),
    "root in KServe": (
        edit("kubernetes/kserve/toy.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        "may run as root",
    ),
    "writable root": (
        edit("kubernetes/deployment.yaml", "readOnlyRootFilesystem", "readOnlyRoot"),
        "can write to its root file system",
    ),
    "escalation": (
        edit("kubernetes/deployment.yaml", "Escalation: false", "Escalation: true"),
        "allowPrivilegeEscalation is not false",
    ),
    "kept capabilities": (
        edit("kubernetes/deployment.yaml", "- ALL", "- NET_RAW"),
        "drop is not [ALL]",
    ),
    "any system call": (
        edit("kubernetes/deployment.yaml", "RuntimeDefault", "Unconfined"),
        "may make any system call",
    ),
    "a token": (
        edit("kubernetes/deployment.yaml", "Token: false", "Token: true"),
        "a token of the cluster",
    ),
    "one node's claim": (
        edit("kubernetes/volume.yaml", "ReadWriteMany", "ReadWriteOnce"),
        "those on other nodes never start",
    ),
    "a claim of two modes": (
        edit("kubernetes/volume.yaml", "- ReadWriteMany", "- ReadOnlyMany\n  - ReadWriteOnce"),
        "a storage class that has all of ReadOnlyMany, ReadWriteOnce",
    ),
    "service with a capital": (
        edit("kubernetes/kserve/toy.yaml", "  name: toy", "  name: Toy"),
        "a letter first",
    ),
    "service too long": (
        edit("kubernetes/kserve/toy.yaml", "  name: toy", f"  name: {'t' * 50}"),
        "over the 63 characters of DNS",
    ),
    "not kustomized": (
        edit("kubernetes/kustomization.yaml", "- network.yaml\n", ""),
        "leaves out network.yaml",
    ),
    "kustomized and gone": (
        remove("kubernetes/network.yaml"),
        "lists network.yaml, which is not here",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts
