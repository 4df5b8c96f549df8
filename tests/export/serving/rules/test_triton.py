"""Each way to spoil Triton's model repository is found."""

import pytest
from damage import edit, remove, write

from export.serving.lint import lint

DAMAGE = {
    "no Triton config": (remove("triton/toy/config.pbtxt"), "Triton passes the model over"),
    "Triton config broken": (write("triton/toy/config.pbtxt", b"nome: 1"), "no ModelConfig"),
    "Triton name": (edit("triton/toy/config.pbtxt", '"toy"', '"tot"'), "its folder is 'toy'"),
    "Triton type": (edit("triton/toy/config.pbtxt", "FP32", "FP16"), "has an input 'image' that"),
    "Triton output": (
        edit("triton/toy/config.pbtxt", '"logits"', '"scores"'),
        "lacks the output 'logits'",
    ),
    "no Triton model": (remove("triton/toy/1/model.onnx"), "is missing"),
    "Triton batch": (
        edit("triton/toy/config.pbtxt", "max_batch_size: 8", "max_batch_size: 4"),
        "over max_batch",
    ),
    "Triton cold": (
        edit("triton/toy/config.pbtxt", "preferred_batch_size: 4", "preferred_batch_size: 6"),
        "leaves batches of [6]",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts
