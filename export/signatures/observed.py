"""Run an artifact's `classify` on a few pictures, and compare it with its own `logits`."""

from pathlib import Path

import numpy as np

from export.contract import PROBABILITIES
from export.signatures import CLASSIFY

PICTURES = ((240, 320), (300, 200), (97, 131))  # height, width: larger and smaller than the crop


def observe_classify(session, version: Path) -> dict | None:
    """Return facts for the check `contract`, or None if `classify` is neither there nor promised.

    `worst` is the largest difference in a probability, `wrong` the number of labels that differ
    from those of the likeliest classes, `error` why it did not run.
    """
    from export.signatures.description import FILE, read_description

    described = read_description(version)
    offered = CLASSIFY in session.signatures
    if described is None and not offered:
        return None
    if described is None or not offered:
        lacks = FILE if described is None else "the signature"
        return {"worst": None, "wrong": None, "error": f"classify lacks {lacks}"}
    import tensorflow as tf

    from export.signatures.classify import decode_images, top_labels

    recipe, labels = described
    random = np.random.RandomState(0)  # numpy never changes its stream
    encoded = [
        tf.io.encode_png(random.randint(0, 256, (*size, 3), np.uint8)).numpy() for size in PICTURES
    ]
    images = decode_images(tf.constant(encoded), recipe).numpy()
    (given,) = session.inputs
    ((name, made),) = session.predict({given: images}).items()
    logits = np.log(made) if name == PROBABILITIES else made
    wanted = {name: tensor.numpy() for name, tensor in top_labels(logits, labels).items()}
    got = session.predict({"encoded": np.array(encoded, object)}, CLASSIFY)
    if got.keys() != wanted.keys() or any(got[k].shape != wanted[k].shape for k in wanted):
        shapes = {name: array.shape for name, array in got.items()}
        return {"worst": None, "wrong": None, "error": f"classify gives {shapes}"}
    return {
        "worst": float(np.abs(got["probabilities"] - wanted["probabilities"]).max()),
        "wrong": int((got["labels"] != wanted["labels"]).sum()),
        "error": "",
    }
