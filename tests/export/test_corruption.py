"""Bytes of artifacts, changed one at a time: each is seen without hashes, or harmless."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from keras import layers

SCRIPT = Path(__file__).with_name("flips.py")
COUNT = int(os.environ.get("FLIPS", "500"))  # of each format


@pytest.fixture(scope="module")
def small():
    """A model so small that its graph is most of its artifact."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal", name="c1")(image)
    x = layers.Flatten(name="f")(x)
    x = layers.Dense(6, bias_initializer="random_normal", name="fc")(x)
    return keras.Model(image, x, name="small")


@pytest.mark.slow
@pytest.mark.parametrize(
    "format", ["savedmodel", "onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]
)
def test_what_no_check_sees_is_harmless(small, tmp_path, format):
    from export.formats import find_format
    from export.formats.base import Order
    from export.observe.model import observe_model
    from export.observe.probes import probes
    from export.skeleton.tracing import trace

    traced = trace(small)
    folder, spare = tmp_path / "artifact", tmp_path / "spare"
    folder.mkdir(), spare.mkdir()
    find_format(format).write(Order(skeleton=traced, folder=folder, scratch=spare))
    reference = tmp_path / "reference"
    reference.write_bytes(
        pickle.dumps(observe_model(small, traced, {"image": probes(traced.image)}))
    )
    job = {"format": format, "folder": str(folder), "reference": str(reference), "seed": 0}
    job |= {"count": COUNT, "result": str(tmp_path / "result.json")}
    (tmp_path / "job.json").write_text(json.dumps(job))
    subprocess.run([sys.executable, SCRIPT, tmp_path / "job.json"], check=True)
    result = json.loads((tmp_path / "result.json").read_text())
    print(format, result["counts"])
    assert sum(result["counts"].values()) == COUNT
    # Logits that are equal in every bit, from the same weights: the byte was of no use to anybody.
    others = [flip for flip in result["unseen"] if flip["kind"] == "within the noise"]
    assert others == []
