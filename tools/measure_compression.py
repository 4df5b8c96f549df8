"""Measure what compression brings: accuracy over seeds, sizes and latency.

    python examples/train_digits.py --train-only
    python tools/measure_compression.py --weights digits/squeezenet1_1.weights.h5

The network of the digits is trained once; each way is then gone once for each seed of its own
training. VGG11, with seeded weights, is compressed in one shot, for its sizes, and VGG19 by the
command line, for its time and memory. What was measured is
a line of JSON for each, so that a run that was interrupted goes on where it was, and
docs/compression.md is made of these lines. Without --weights only the page is made. Exit status: 0
measured, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
import os
import tempfile
from dataclasses import replace
from functools import cache, partial

from export.commandline import options
from export.commandline.paths import need_file
from export.ending import ending
from export.files import write_whole
from export.study.compression import DENSE, LATENCY

NET, SIDE = "squeezenet1_1", 64
LARGE = "vgg11"
WAYS = {
    "prune 50 %": {"prune": 0.5},
    "prune 2:4": {"prune": "2:4"},
    "prune 50 %, 16 values": {"prune": 0.5, "cluster": 16},
    "16 values": {"cluster": 16},
    "train for int8": {"qat": True},
}
LARGEST, PICTURES, SHAPE = "vgg19", 40, (224, 224, 3)  # of which 32 are trained on
COMMANDS = {
    "prune 2:4, in one shot": ["--prune", "2:4"],
    "prune 50 %, trained with SGD": ["--prune", "0.5", "--optimizer", "sgd"],
}
IN_ONE_SHOT = tuple(name for name, asked in WAYS.items() if "qat" not in asked)
EPOCHS, RATE = 4, 3e-4
ROUNDS = {NET: 300, LARGE: 30}  # of latency


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
    todo = [key for key in _everything(seeds) if key not in known]
    with display(verbose=False) as show, to.open("a") as file:
        for net, way, seed in todo[:most]:
            show(f"{net}, {way}", f"seed {seed}")
            line = {"net": net, "way": way, "seed": seed, **_one(weights, net, way, seed)}
            file.write(json.dumps(line) + "\n")
            file.flush()


def _everything(seeds: int):
    """Yield network, way and seed of all that is measured; latency last."""
    yield NET, DENSE, 0
    for seed in range(seeds):
        for way in WAYS:
            yield NET, way, seed
    for way in (DENSE, *IN_ONE_SHOT):
        yield LARGE, way, 0
    yield NET, LATENCY, 0
    yield LARGE, LATENCY, 0
    for way in COMMANDS:
        yield LARGEST, way, 0


def _known(path: Path) -> set:
    if not path.exists():
        return set()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line["net"], line["way"], line["seed"]) for line in lines}


def _one(weights: Path, net: str, way: str, seed: int) -> dict:
    """What one way with one seed gives."""
    build = partial(_build, net, weights)
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as folder:
        if net == LARGEST:
            return {"cost": _cost(COMMANDS[way], Path(folder))}
        if way == LATENCY:
            return _latency(build, Path(folder), ROUNDS[net])
        if way == DENSE:
            return {"sizes": _sizes(build(), net, Path(folder))}
        if net == LARGE:
            return _shot(build(), way, Path(folder))
        return _trained(build(), way, seed, Path(folder))


def _build(net: str, weights: Path):
    from keras_nets import find_net, load_weights, seed_weights

    if net == LARGE:
        return seed_weights(find_net(LARGE).build(), 0)
    return load_weights(NET, weights, image=(SIDE, SIDE, 3))


def _trained(model, way: str, seed: int, folder: Path) -> dict:
    """What a way gives while the network of the digits trains."""
    from export.compression.compress import compress_model
    from export.compression.method import Method
    from export.compression.training import Training

    training = Training(
        epochs=EPOCHS, rate=RATE, flips=False, crops=False, seed=seed, min_accuracy=0.0
    )
    method = Method(**WAYS[way])
    done = compress_model(model, method, folder, lessons=_lessons(), training=training)
    return {
        "epochs": EPOCHS,
        "accuracy": done.content["accuracy"],
        "distinct": _distinct(done.content),
        "sizes": _sizes(model, NET, folder) if seed == 0 else {},
        "agreement": _agreement(model, done, folder),
    }


def _shot(model, way: str, folder: Path) -> dict:
    """What a way gives in one shot."""
    from export.compression.compress import compress_model
    from export.compression.method import Method

    done = compress_model(model, Method(**WAYS[way]), folder)
    return {"distinct": _distinct(done.content), "sizes": _sizes(model, LARGE, folder)}


def _distinct(content: dict) -> int:
    return max(one["distinct"] for one in content["layers"] if "left" not in one)


@cache
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


def _calibration(net: str):
    """Pictures that 8 bits are calibrated on: 128 digits, or 8 made ones for the large network."""
    from export.calibration.images import of_array

    if net == LARGE:
        return _synthetic()
    return of_array(_lessons().train.images[:160], "digits")


def _sizes(model, net: str, folder: Path) -> dict:
    from export.study.packing import packed_sizes

    return packed_sizes(model, folder / "sizes", _calibration(net))


def _agreement(model, done, folder: Path) -> dict | None:
    """How near onnx-int8, of either kind of ranges, comes to what tfmot's own network gives.

    That is the share of digits for which both name the same class, and the root of the mean square
    of how far logits are apart, in standard deviations.
    """
    if done.quantised is None:
        return None
    from export.compression.content import learned_ranges

    ranges = {"calibrated": {}, "learned": learned_ranges(done.content)}
    return {
        name: _apart(model, replace(_calibration(NET), learned=learned), done.quantised, folder)
        for name, learned in ranges.items()
    }


def _apart(model, calibration, logits, folder: Path) -> dict:
    import numpy as np
    import onnxruntime

    from export.options import Options
    from export.pipeline import export_model
    from export.study.packing import onnx_of

    out = Path(tempfile.mkdtemp(dir=folder))
    (report,) = export_model(
        model, [onnx_of("int8")], out, options=Options(calibration=calibration)
    )
    session = onnxruntime.InferenceSession(Path(report.folder, "model.onnx"))
    (own,) = session.run(None, {"image": _lessons().held_out.images})
    labels = _lessons().held_out.labels
    return {
        "same": float((own.argmax(axis=1) == logits.argmax(axis=1)).mean()),
        "apart": float(np.sqrt(np.square(own - logits).mean()) / logits.std()),
        "accuracy": float((own.argmax(axis=1) == labels).mean()),
    }


def _latency(build, folder: Path, rounds: int) -> dict:
    """Milliseconds of the network dense, pruned, and in 8 bits, in ONNX Runtime on one thread."""
    import numpy as np

    from export.compression.compress import compress_model
    from export.compression.method import Method
    from export.options import Options
    from export.pipeline import export_model
    from export.study.latency import latencies
    from export.study.packing import onnx_of

    model, given = build(), Options(calibration=_synthetic())
    formats = [onnx_of("fp32"), onnx_of("int8")]
    dense, rounded = export_model(model, formats, folder / "dense", options=given)
    compress_model(model, Method(prune=0.5, ends=True), folder / "compressed")
    (pruned,) = export_model(model, formats[:1], folder / "pruned")
    reports = {"dense": dense, "pruned 50 %": pruned, "int8": rounded}
    files = {name: Path(report.folder, "model.onnx") for name, report in reports.items()}
    image = np.random.default_rng(0).standard_normal((1, *model.input_shape[1:]), np.float32)
    return {"ms": latencies(files, image, rounds), "load": os.getloadavg()[0]}


def _cost(options: list[str], folder: Path) -> dict:
    """Time and memory of the command line, all its processes together."""
    import numpy as np

    from export.errors import ExportError
    from export.stages import profile

    command = [sys.executable, str(Path(__file__).with_name("compress.py")), *options]
    command += ["--model", LARGEST, "--classes", "2", "--out", str(folder / "out")]
    if "--optimizer" in options:
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (PICTURES, *SHAPE), np.uint8)
        np.savez(folder / "pictures.npz", images=images, labels=np.arange(PICTURES) % 2)
        command += ["--images", str(folder / "pictures.npz"), "--epochs", "1"]
        command += ["--min-accuracy", "0"]
    load, took = os.getloadavg()[0], profile(command)
    if took.status:
        raise ExportError(f"{' '.join(command)} ended with exit status {took.status}")
    return {
        "wall_s": took.wall_s,
        "cpu_s": took.cpu_s,
        "peak_bytes": took.peak_rss_bytes,
        "cores": len(os.sched_getaffinity(0)),
        "load": load,
    }


def _synthetic():
    from export.calibration.reading import synthetic

    return synthetic(count=8)


if __name__ == "__main__":
    sys.exit(main())
