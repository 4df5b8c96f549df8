"""Write docs/compression.md from what tools/measure_compression.py measured."""

import json
from statistics import mean, stdev

from export.tables.markdown import markdown

INTRODUCTION = """\
# What compression brings

    python tools/compress.py --model vgg13 --prune 0.5
    python tools/compress.py --model vgg13 --prune 2:4 --cluster 16 --images pictures/ --epochs 2
    python tools/compress.py --model vgg13 --qat --images pictures/ --epochs 3

tensorflow-model-optimization works on Keras 2, so a network is described layer by layer, built
again in the lane `tfmot`, held against the original (every weight equal, logits equal but for the
order of sums), compressed there, and given its new weights back. Models within the model are
taken apart. A layer without a twin is named before any work; a Lambda layer has none, because its
code cannot be moved. `compression.json` lies beside the `.keras` file that is written; keep the
two together, because an export of the file takes its promises from it, and the check
`compression` reads from each artifact that it holds them.

- `--prune 0.5` makes the half of each kernel zero that is smallest. With `--images` the share
  grows while the network trains.
- `--prune 2:4` makes two of each four neighbouring input channels zero, the pattern that sparse
  tensor cores want. Kernels whose input channels do not come in fours are left as they are, and
  listed.
- `--cluster 16` leaves a kernel 16 distinct values, zero among them if it was pruned. A
  batch-norm that an export folds into a kernel scales each output channel, so there the count
  holds within a channel, and the file packs less well.
- `--qat` trains for int8, and all layers take part, because a format of int8 rounds all. Layers
  that tensorflow-model-optimization does not know stay in float while it trains. The float
  weights are what is written; an export to a format of int8 calibrates its ranges anew. The
  ranges that were learnt are in compression.json: they begin at +-6 and move slowly, and logits
  beyond are cut off.

The first and the last layer are not pruned and clustered unless `--first-and-last` or `--only`
asks for it. `--images` is a folder for each class, of which every fifth picture is held out and
measured after each epoch. A network that loses more than 5 points of accuracy is not written;
`--min-accuracy` says otherwise. Ctrl-C keeps the best so far, and `--resume` goes on. Checkpoints
take up to ten times the weights on disk with Adam, eight times with `--optimizer sgd`.

## On the digits

Made by `python tools/measure_compression.py` of `docs/compression.jsonl`: the SqueezeNet 1.1 of
`examples/train_digits.py`, {epochs} epochs of each way. Accuracy is on the 360 digits held out,
where one digit is 0.28 points; mean and standard deviation are over seeds of the training of the
compression, all from one dense network of {dense:.2%}.
"""
ENDING = """\
A file of float32 is as large as before: zeros and repeated values are gained when it is packed, as
for a download or an image of a container. Pruning is not known to make anything faster on a CPU,
whose kernels compute with zeros as with any other value (tensorflow/model-optimization#173).
TensorRT can use the pattern 2:4 on a GPU with sparse tensor cores, if its sparsity flag is set.
Latency was not measured here, on either.
"""


def page(lines: str) -> str:
    """The whole page, of the lines of JSON in `lines`."""
    runs = [json.loads(line) for line in lines.splitlines()]
    ways = list(dict.fromkeys(run["way"] for run in runs))
    own = {way: [run for run in runs if run["way"] == way] for way in ways}
    dense = runs[0]["accuracy"]["before"]
    text = INTRODUCTION.format(epochs=runs[0].get("epochs", 4), dense=dense)
    heads = ["way", "seeds", "accuracy", "spread", "change", "distinct values", "gzip", "zstd"]
    table = markdown(heads, "lrrrrrrr", [_row(way, own[way], dense) for way in ways])
    return f"{text}\n{table}\n{_agreement(runs)}{ENDING}"


def _row(way: str, runs: list[dict], dense: float) -> list[str]:
    found = [run["accuracy"]["after"] for run in runs]
    spread = f"{100 * stdev(found):.2f}" if len(found) > 1 else "-"
    return [
        way,
        f"{len(found)}",
        f"{mean(found):.2%}",
        spread,
        f"{100 * (mean(found) - dense):+.2f}",
        f"{max(run['distinct'] for run in runs):,}",
        _ratio(runs, "gzip"),
        _ratio(runs, "zstd"),
    ]


def _ratio(runs: list[dict], packer: str) -> str:
    """How large the packed ONNX file is, in parts of the dense network's packed alike."""
    for run in runs:
        if packer in run["sizes"] and packer in run["dense"]:
            return f"{run['sizes'][packer] / run['dense'][packer]:.2f}"
    return "-"


def _agreement(runs: list[dict]) -> str:
    trained = [run for run in runs if run["agreement"] is not None]
    if not trained:
        return ""
    rounded = [run["accuracy"]["quantised"] for run in trained]
    return (
        f"Trained for int8, the network that rounds is right on {mean(rounded):.2%} by\n"
        "tensorflow-model-optimization's own arithmetic. Exported to `onnx-int8`, with ranges\n"
        "calibrated on 128 training pictures, the artifact names the class that it names on "
        f"{mean(run['agreement'] for run in trained):.2%}\nof the digits held out "
        f"({len(trained)} {'seed' if len(trained) == 1 else 'seeds'}).\n\n"
    )
