"""models.config, monitoring.config and flags: each way to spoil them is found."""

import pytest
from damage import edit, remove, write

from export.serving.lint import lint

DAMAGE = {
    "no models.config": (remove("models.config"), "serves nothing"),
    "no text proto": (edit("models.config", "config {", "conf {"), "no ModelServerConfig"),
    "models.config in UTF-16": (write("models.config", b"\xff\xfea"), "no ModelServerConfig"),
    "no platform": (edit("models.config", 'model_platform: "tensorflow"', ""), "platform ''"),
    "elsewhere": (edit("models.config", "/bundle/models/toy", "/models/toy"), "outside '/bundle'"),
    "one name twice": (edit("models.config", 'name: "fast"', 'name: "toy"'), "'toy' 2 times"),
    "a name for no URL": (edit("models.config", 'name: "toy"', 'name: "my toy"'), "a URL cannot"),
    "missing model": (edit("models.config", "models/toy", "models/tot"), "opens no port"),
    "not served": (edit("models.config", "models/toy", "models/tot"), "is not served"),
    "missing version": (edit("models.config", "versions: 1", "versions: 2"), "loads version 2"),
    "loose label": (edit("models.config", "value: 1", "value: 3"), "'stable', which is not loaded"),
    "no label flag": (
        edit("compose.yaml", "--allow_version", "--allow_a_version"),
        "lacks --allow",
    ),
    "batching off": (
        edit("compose.yaml", "--enable_batching=true", "--enable_batching=false"),
        "refuses the --batching_parameters_file",
    ),
    "versions' sizes ignored": (
        edit("compose.yaml", "--enable_per_model", "--enable_a_model"),
        "the batch sizes of each version are ignored",
    ),
    "warm-up off": (
        edit("kubernetes/deployment.yaml", "--enable_batching=true", "--enable_model_warmup=false"),
        "turns --enable_model_warmup off",
    ),
    "no batching_parameters.txt": (
        remove("batching_parameters.txt"),
        "is missing, and compose.yaml names it",
    ),
    "no monitoring.config": (
        remove("monitoring.config"),
        "is missing, and compose.yaml names it",
    ),
    "metrics off": (edit("monitoring.config", "enable: true", ""), "no metrics"),
    "metrics broken": (write("monitoring.config", b"prometheus"), "no MonitoringConfig"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts
