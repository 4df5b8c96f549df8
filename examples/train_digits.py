"""Train SqueezeNet 1.1 on scikit-learn's digits, export it, and measure what each artifact scores.

    pip install -e '.[examples]'
    python examples/train_digits.py

The digits are 1797 hand-written ones of 8x8 pixels, from the UCI repository (Alpaydin and Kaynak
1998, CC BY 4.0), enlarged to 64x64. Every fifth of each class is held out. Training takes a minute
or two on two cores and gives the same weights every time on the same machine. Everything lands in
`digits/`.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

if not __package__:  # works from a checkout that is not installed, from any folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from export.commandline.options import make_parser, named, positive
from export.commandline.paths import need_writable
from export.ending import ending
from keras_nets.quiet import LEVEL, import_quietly

ROOT = Path(__file__).resolve().parents[1]
NET, SIDE, CLASSES = "squeezenet1_1", 64, 10
SEED, BATCH, RATE = 0, 32, 1e-3
HELD_OUT = 5  # every fifth digit of a class


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(extra="examples"):
        need_writable("--out", args.out)  # told before minutes of training
        images, labels = load_digits()
        weights = args.out / f"{NET}.weights.h5"
        args.out.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        accuracy = train(images, labels, args.epochs, weights)
        took = time.monotonic() - start
        print(f"{accuracy:.2%} of the held-out digits, in {took:.0f} s: {weights}")
        write_held_out(images, labels, args.out / "held-out")
        if args.train_only:
            return 0
        return export_and_evaluate(args.out, weights, args.format or ["all"])


def _parser():
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("digits"), metavar="DIR", help="(digits)")
    add("--epochs", type=positive, default=12, metavar="N", help="(12)")
    add("--format", action="append", metavar="NAME", type=_format,
        help="what to export to; may be repeated (all; without a TF-TRT lane, --format savedmodel "
        "--format onnx)")  # fmt: skip
    add("--train-only", action="store_true", help="export nothing")
    return parser


def _format(text: str) -> str:
    from export.formats import FORMATS

    return named((*FORMATS, "all"), "format")(text)


def load_digits():
    """Digits as RGB, uint8 (1797, 8, 8, 3), and their labels (1797,)."""
    import numpy as np
    from sklearn import datasets

    digits = datasets.load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1), digits.target


def is_held_out(labels):
    """Which digits are kept from training: booleans, as many as `labels`."""
    import numpy as np

    chosen = np.zeros(len(labels), bool)
    chosen[np.argsort(labels, kind="stable")[::HELD_OUT]] = True
    return chosen


def train(images, labels, epochs: int, weights: Path) -> float:
    """Train on all but the held-out digits, write the weights, and return the accuracy on those."""
    os.environ.setdefault(LEVEL, "3")  # what TensorFlow logs as errors here harms nothing
    print("loading TensorFlow", flush=True)
    import_quietly("keras")
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_nets import find_net
    from keras_nets.preprocess import preprocess, recipe_for

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    net = find_net(NET)
    recipe = recipe_for(net, size=SIDE)
    inputs = np.stack([preprocess(image, recipe) for image in images])
    held_out = is_held_out(labels)

    model = prepare(net.build(image=(SIDE, SIDE, 3), classes=CLASSES))
    steps = epochs * -(-int((~held_out).sum()) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 20, steps, warmup_target=RATE, warmup_steps=steps // 20
    )
    model.compile(
        keras.optimizers.Adam(rate, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(inputs[~held_out], labels[~held_out], batch_size=BATCH, epochs=epochs, verbose=2)
    model.save_weights(weights)
    return float(model.evaluate(inputs[held_out], labels[held_out], verbose=0)[1])


def prepare(model):
    """Draw initial weights that a SqueezeNet trains from.

    It has no batch-norm, so its kernels are He-uniform (with Keras' Glorot it reaches 89 % where
    this reaches 98 %). Its logits end in a ReLU, so the last layer starts small and above zero: a
    class whose logit is zero for every picture would never get a gradient.
    """
    from keras_nets import seed_weights

    seed_weights(model, SEED)
    last = model.get_layer("conv10")
    kernel, bias = last.get_weights()
    last.set_weights([kernel / 22, 0 * bias + 0.5])  # 22 is what seeded kernels there are scaled by
    return model


def write_held_out(images, labels, folder: Path) -> None:
    """Write the held-out digits as PNG, in one folder a class."""
    from PIL import Image

    for index in is_held_out(labels).nonzero()[0]:
        path = folder / str(labels[index]) / f"{index:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(path)


def export_and_evaluate(out: Path, weights: Path, formats: list[str]) -> int:
    """Run the two tools as one would by hand; return 0 where both did."""
    chosen = [word for name in formats for word in ("--format", name)]
    exports = out / "exports"
    status = tool(
        "export", "--model", NET, *chosen, "--weights", weights, "--classes", CLASSES,
        "--image-size", SIDE, "--out", exports,
    )  # fmt: skip
    artifacts = sorted(path.parent for path in (exports / NET).glob("*/report.json"))
    if not artifacts:
        return status or 1
    return tool("evaluate", *artifacts, "--images", out / "held-out") or status


def tool(name: str, *arguments) -> int:
    command = [f"tools/{name}.py", *map(str, arguments)]
    print(f"\n$ python {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, ROOT / command[0], *command[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
