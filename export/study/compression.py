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
again in the lane `tfmot`, held against the original (every weight equal, outputs equal but for the
order of sums), compressed there, and given its new weights back. Models within the model are
taken apart. Networks with any inputs and outputs are compressed in one shot; training, with
`--images`, is of classifiers of pictures. A layer without a twin is named before any work; a
Lambda layer has none, because its code cannot be moved. `compression.json` lies beside the
`.keras` file that is written; keep the two together, because an export of the file takes its
promises from it, and the check `compression` reads from each artifact that it holds them.

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
  ranges that were learnt are in compression.json, for `tools/export.py --ranges learned`: they
  begin at +-6 and move slowly, and logits beyond are cut off.

The first and the last layer are not pruned and clustered unless `--first-and-last` or `--only`
asks for it. `--images` is a folder for each class, or an `.npz` of `images` (uint8 in RGB, or
float32 as the network takes them) and `labels`; every fifth picture of a class is held out and
measured after each epoch, unless `--held-out` names others. How pictures become inputs of a model
outside the catalog is said by `--preprocess`, as for an export ([sources.md](sources.md)). A
network that loses more than 5 points of accuracy is not written; `--min-accuracy` says otherwise.
Ctrl-C keeps the best so far, and `--resume` goes on.

Pictures are decoded once into a file, and a batch goes through the network in parts of at most
256 MiB of activations. The gradients of the parts add up to that of the batch; dropout is drawn
anew for each, and ranges learnt for int8 move with each. A batch-norm needs its batch whole: of
large networks with some, a batch is 16 or 8 pictures instead of 32, unless `--batch-size` says it.
`--optimizer sgd` holds the weights, their momentum and the masks of pruning, and little of the
gradient at once; Adam holds two arrays more of the size of the weights, and a third where a batch
goes in parts. Clustering holds more than pruning: all indexes into the clusters. Checkpoints take
up to ten times the weights on disk with Adam, eight times with `--optimizer sgd`.

## On the digits

Made by `python tools/measure_compression.py` of `docs/compression.jsonl`: the SqueezeNet 1.1 of
`examples/train_digits.py`, {epochs} epochs of each way. Accuracy is on the 360 digits held out,
where one digit is 0.28 points; mean and standard deviation are over seeds of the training of the
compression, all from one dense network of {dense:.2%}.
Rows of five seeds were trained by Keras' own `fit`, before a loop that bounds memory took its
place; a test holds the steps of the two against each other.
"""
SIZES = """\
Sizes are those of the ONNX file of the first seed, in parts of the dense network's file of 32 bits:
packed by gzip and by zstd at their usual levels, as compared with the dense file packed alike, and,
as `onnx-int8`, not packed and packed by gzip, as compared with the dense file as it is.
"""
LARGE = """\
## On VGG11

Seeded weights, compressed in one shot, so there is no accuracy to speak of. Its two dense layers
before the last are nine tenths of it.
"""
PACKED = """\
## What it is good for

A file of float32 is as large as before: zeros and repeated values are gained when it is packed, as
for a download or an image of a container. A file of 8 bits is a quarter of the dense one by itself,
and what was pruned or clustered before is packed further.
"""
SPEED = """\
Pruning is not known to make anything faster on a CPU, whose kernels compute with zeros as with any
other value (tensorflow/model-optimization#173), and clusters change nothing either, because the
file holds 32 bits for each value. Eight bits gain where the CPU has instructions for them. TensorRT
can use the pattern 2:4 on a GPU with sparse tensor cores, if its sparsity flag is set; that was not
measured.
"""
TURNS = """\
Milliseconds of ONNX Runtime on one thread of one CPU, one image at a time, medians of calls in
turns:
"""
COST = """\
## What it takes

Of VGG19 with two classes (0.56 GB of weights), by `tools/compress.py` with its usual settings, one
epoch of 32 pictures where it trains: memory of all processes together.
"""
DENSE, LATENCY = "dense", "latency"


def page(lines: str) -> str:
    """Return the whole page, of the lines of JSON in `lines`."""
    known = [json.loads(line) for line in lines.splitlines()]
    runs = [run for run in known if "cost" not in run]
    trained = [run for run in runs if "accuracy" in run]
    nets = {run["net"]: [one for one in runs if one["net"] == run["net"]] for run in runs}
    digits, *others = nets.values()
    accuracy = trained[0]["accuracy"]["before"]
    parts = [
        INTRODUCTION.format(epochs=trained[0]["epochs"], dense=accuracy),
        _digits(digits, accuracy),
        SIZES,
        _agreement(trained),
        *(f"{LARGE}\n{_sizes(runs)}" for runs in others),
        PACKED,
        SPEED,
        *([_latency(nets)] if _latency_of(digits) else []),
        _costs([run for run in known if "cost" in run]),
    ]
    return "\n".join(filter(None, parts))


def _digits(runs: list[dict], accuracy: float) -> str:
    heads = ["way", "seeds", "accuracy", "spread", "change", *SIZE_HEADS]
    rows = [
        [way, f"{len(own)}", *_scores(own, accuracy), *_size_cells(own, runs)]
        for way, own in _ways(runs).items()
    ]
    return markdown(heads, "lrrrrrrrrr", rows)


def _sizes(runs: list[dict]) -> str:
    rows = [[way, *_size_cells(own, runs)] for way, own in _ways(runs).items()]
    return markdown(["way", *SIZE_HEADS], "lrrrrr", rows)


def _ways(runs: list[dict]) -> dict[str, list[dict]]:
    """Runs of each way of compressing, by the way."""
    ways = [run["way"] for run in runs if run["way"] not in (DENSE, LATENCY)]
    return {way: [run for run in runs if run["way"] == way] for way in dict.fromkeys(ways)}


def _scores(runs: list[dict], accuracy: float) -> list[str]:
    found = [run["accuracy"]["after"] for run in runs]
    spread = f"{100 * stdev(found):.2f}" if len(found) > 1 else "-"
    return [f"{mean(found):.2%}", spread, f"{100 * (mean(found) - accuracy):+.2f}"]


SIZE_HEADS = ["distinct values", "gzip", "zstd", "int8", "int8, gzip"]


def _size_cells(runs: list[dict], every: list[dict]) -> list[str]:
    """Distinct values, and sizes in parts of the dense network's among `every` run."""
    own = next((run["sizes"] for run in runs if run["sizes"]), {})
    dense = next((run["sizes"] for run in every if run["way"] == DENSE), {})
    whole = dense.get("fp32", {}).get("bytes")

    def part(precision: str, packer: str, of: int | None) -> str:
        size = own.get(precision, {}).get(packer)
        return f"{size / of:.2f}" if size and of else "-"

    return [
        f"{max(run['distinct'] for run in runs):,}",
        *(part("fp32", packer, dense.get("fp32", {}).get(packer)) for packer in ("gzip", "zstd")),
        *(part("int8", packer, whole) for packer in ("bytes", "gzip")),
    ]


def _agreement(runs: list[dict]) -> str:
    """Sentences on exports to 8 bits of what was trained for them; empty where nothing was."""
    trained = [run for run in runs if run["agreement"]]
    if not trained:
        return ""
    rounded = [run["accuracy"]["quantised"] for run in trained]
    kinds = dict.fromkeys(kind for run in trained for kind in run["agreement"])
    heads = ["ranges", "seeds", "same class as tfmot's", "logits apart (std)", "accuracy"]
    rows = [_agreement_row(kind, trained) for kind in kinds]
    return (
        f"Trained for int8, the network that rounds is right on {mean(rounded):.2%} by\n"
        "tensorflow-model-optimization's own arithmetic. Exported to `onnx-int8`, with ranges\n"
        "calibrated on 128 training pictures or with those that were learnt (`--ranges learned`),\n"
        "the artifact gives on the digits held out, as the mean of all seeds and, in brackets,\n"
        f"the worst:\n\n{markdown(heads, 'lrrrr', rows)}\n"
        "Learnt ranges cut logits off where the training did; calibrated ones let them go on,\n"
        "so that logits are far apart, and name the same classes.\n"
    )


def _agreement_row(kind: str, runs: list[dict]) -> list[str]:
    own = [run["agreement"][kind] for run in runs if kind in run["agreement"]]
    same, apart, right = ([one[key] for one in own] for key in ("same", "apart", "accuracy"))
    return [
        kind,
        f"{len(own)}",
        f"{mean(same):.2%} ({min(same):.2%})",
        f"{mean(apart):.3f} ({max(apart):.3f})",
        f"{mean(right):.2%} ({min(right):.2%})",
    ]


def _latency_of(runs: list[dict]) -> dict | None:
    return next((run for run in runs if run["way"] == LATENCY), None)


def _latency(nets: dict[str, list[dict]]) -> str:
    """The section on latency: a row for each network that was timed."""
    timed = {net: found for net, runs in nets.items() if (found := _latency_of(runs))}
    names = list(next(iter(timed.values()))["ms"])
    rows = [[net, *(f"{run['ms'][name]:.2f}" for name in names)] for net, run in timed.items()]
    busy = max(run["load"] for run in timed.values())
    table = markdown(["network", *names], "l" + "r" * len(names), rows)
    return f"{TURNS}\n{table}\nThe machine was not idle (load {busy:.1f} on its CPUs).\n"


def _costs(runs: list[dict]) -> str:
    """The section on time and memory; empty where none was measured."""
    if not runs:
        return ""
    rows = [
        [run["way"], *(f"{run['cost'][key]:.0f} s" for key in ("wall_s", "cpu_s")), _memory(run)]
        for run in runs
    ]
    table = markdown(["way", "wall", "CPU", "peak memory"], "lrrr", rows)
    cores, load = (max(run["cost"][key] for run in runs) for key in ("cores", "load"))
    return f"{COST}\n{table}\n{cores} CPUs, with a load of up to {load:.1f} from others.\n"


def _memory(run: dict) -> str:
    return f"{run['cost']['peak_bytes'] / 1e9:.2f} GB"
