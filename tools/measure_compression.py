"""Measure what compression brings, on the digits network: accuracy over seeds, and sizes.

    python examples/train_digits.py --train-only
    python tools/measure_compression.py --weights digits/squeezenet1_1.weights.h5

The network is trained once; each way is then gone once for each seed of its own training. What was
measured is a line of JSON for each, so that a run that was interrupted goes on where it was, and
docs/compression.md is made of these lines. Without --weights only the page is made. Exit status: 0
measured, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import gzip
import json
import shutil
import subprocess
import tempfile

from export.commandline import options
from export.commandline.paths import need_file
from export.ending import ending
from export.files import write_whole

NET, SIDE, CLASSES = "squeezenet1_1", 64, 10
WAYS = {
    "prune 50 %": {"prune": 0.5},
    "prune 2:4": {"prune": "2:4"},
    "prune 50 %, 16 values": {"prune": 0.5, "cluster": 16},
    "16 values": {"cluster": 16},
    "train for int8": {"qat": True},
}
EPOCHS, RATE = 4, 3e-4


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--weights", type=Path, metavar="FILE", help="of the digits network")
    add("--seeds", type=options.positive, default=5, metavar="N", help="(5)")
    add("--most", type=options.positive, metavar="N", help="measure only so many, then end (all)")
    add("--to", type=Path, default=Path("docs/compression.jsonl"), metavar="FILE",
        help="of what was measured, to which lines are added (docs/compression.jsonl)")  # fmt: skip
    add("--page", type=Path, default=Path("docs/compression.md"), metavar="FILE",
        help="(docs/compression.md)")  # fmt: skip
    args = parser.parse_args(argv)
    with ending(extra="examples"):
        if args.weights:
            need_file("--weights", args.weights, "what examples/train_digits.py wrote")
            _measure(args.weights, args.seeds, args.most, args.to)
        need_file("--to", args.to, "a file of what was measured")
        from export.study.compression import page

        write_whole(args.page, page(args.to.read_text()))
    return 0


def _measure(weights: Path, seeds: int, most: int | None, to: Path) -> None:
    from export.commandline.display import display

    known = _known(to)
    todo = [(name, seed) for seed in range(seeds) for name in WAYS if (name, seed) not in known]
    with display(verbose=False) as show, to.open("a") as file:
        for name, seed in todo[:most]:
            show(name, f"seed {seed}")
            file.write(json.dumps(_one(weights, name, WAYS[name], seed)) + "\n")
            file.flush()


def _known(path: Path) -> set:
    if not path.exists():
        return set()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line["way"], line["seed"]) for line in lines}


def _one(weights: Path, name: str, asked: dict, seed: int) -> dict:
    """What one way with one seed gives."""
    from export.compression.compress import compress_model
    from export.compression.method import Method
    from export.compression.training import Training
    from keras_nets import load_weights

    model = load_weights(NET, weights, image=(SIDE, SIDE, 3))
    training = Training(
        epochs=EPOCHS, rate=RATE, flips=False, crops=False, seed=seed, min_accuracy=0.0
    )
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as folder:
        dense = _sizes(model, Path(folder, "dense")) if seed == 0 else {}
        done = compress_model(
            model, Method(**asked), Path(folder), lessons=_lessons(), training=training
        )
        sizes = _sizes(model, Path(folder, "made")) if seed == 0 else {}
        agreement = _agreement(model, done.quantised, Path(folder, "int8"))
    distinct = [one["distinct"] for one in done.content["layers"] if "left" not in one]
    return {
        "way": name,
        "seed": seed,
        "epochs": EPOCHS,
        "accuracy": done.content["accuracy"],
        "distinct": max(distinct),
        "dense": dense,
        "sizes": sizes,
        "agreement": agreement,
    }


def _lessons():
    import numpy as np

    from examples.train_digits import is_held_out, load_digits
    from export.compression.training import Lessons, Pictures
    from keras_nets import find_net
    from keras_nets.preprocess import preprocess, recipe_for

    images, labels = load_digits()
    recipe, held = recipe_for(find_net(NET), size=SIDE), is_held_out(labels)
    inputs = np.stack([preprocess(image, recipe) for image in images])
    return Lessons(
        train=Pictures(inputs[~held], labels[~held]),
        held_out=Pictures(inputs[held], labels[held]),
    )


def _sizes(model, out: Path) -> dict:
    """Bytes of the network's ONNX file as it is, and packed by gzip and, if it is there, zstd."""
    from export.pipeline import export_model

    (report,) = export_model(model, [_onnx("fp32")], out)
    return _packed(Path(report.folder, "model.onnx"))


def _packed(path: Path) -> dict:
    data = path.read_bytes()
    found = {"bytes": len(data), "gzip": len(gzip.compress(data, 6))}
    if zstd := shutil.which("zstd"):
        done = subprocess.run([zstd, "-19", "-c", path], capture_output=True, check=True)
        found["zstd"] = len(done.stdout)
    return found


def _onnx(precision: str) -> str:
    """The first format of ONNX that computes in `precision`."""
    from export.formats import ALL
    from export.formats.names import ONNX

    return next(one.name for one in ALL if (one.kind, one.precision) == (ONNX, precision))


def _agreement(model, logits, out: Path) -> float | None:
    """How often onnx-int8, calibrated on what was trained on, names the class that tfmot names."""
    if logits is None:
        return None
    import onnxruntime

    from export.calibration.images import of_array
    from export.options import Options
    from export.pipeline import export_model

    lessons = _lessons()
    calibration = of_array(lessons.train.images[:160], "digits")
    (report,) = export_model(model, [_onnx("int8")], out, options=Options(calibration=calibration))
    session = onnxruntime.InferenceSession(Path(report.folder, "model.onnx"))
    (own,) = session.run(None, {"image": lessons.held_out.images})
    return float((own.argmax(axis=1) == logits.argmax(axis=1)).mean())


if __name__ == "__main__":
    sys.exit(main())
