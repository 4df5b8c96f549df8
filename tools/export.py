"""Export networks to formats that servers run, and verify each artifact.

    python tools/export.py --model vgg13 --format tftrt-fp16

Artifacts land in <out>/<model>/<format>/, each with its report.json. Exit status: 0 all verified,
1 a check failed, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where this very file hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import subprocess
from functools import partial

from export.ending import ending
from keras_nets.catalog import NETS, find_net

FORMATS = ("savedmodel", "onnx", "tftrt-fp32", "tftrt-fp16")  # a test compares them with ours


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    kept = "interrupted; artifacts that were there before are as they were"
    with ending(verbose=args.verbose, interrupted=kept):
        models = _all_of(args.model, NETS, "network", "the catalog has")
        formats = _all_of(args.format, FORMATS, "format", "known are")
        if len(models) == 1:
            return _export(args, models[0], formats, argv)
        return _export_each(args, models, formats)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, action="append", metavar="NAME", help=_names(NETS))
    add("--format", required=True, action="append", metavar="NAME", help=_names(FORMATS))
    add("--weights", metavar="FILE", help="a weights file, or imagenet; seeded if absent")
    add("--seed", type=int, default=0, help="of seeded weights and of probe images (0)")
    add("--out", type=Path, default=Path("exports"), metavar="DIR", help="(exports)")
    add(
        "--image-size", type=_size, metavar="HxW", help="or one number; the network's own if absent"
    )
    add("--classes", type=int, metavar="N", help="what the weights have if absent, 1000 if seeded")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="pictures to compare on, beside seeded probes; of a large folder a sample",
    )
    add("--labels", type=Path, metavar="FILE", help="a class a line: adds the signature classify")
    add("--batch-sizes", type=_batches, default=(1, 4, 8), metavar="N,N",
        help="that the server will use: TF-TRT keeps an engine for each (1,4,8)")  # fmt: skip
    add(
        "--self-test",
        action="store_true",
        help="put bugs into each artifact; count those caught",
    )
    add("--strict", action="store_true", help="fail where a mutant slips through; self-tests too")
    add("--layers", action="store_true", help="compare layer by layer, even where all is well")
    add("--json", action="store_true", help="a line of JSON for each artifact on stdout")
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _names(known) -> str:
    return f"{', '.join(known)}, or all; may be repeated"


def _size(text: str) -> tuple[int, int]:
    height, x, width = text.partition("x")
    return int(height), int(width if x else height)


def _batches(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(part) for part in text.split(",")}))


_size.__name__, _batches.__name__ = "size", "list of batch sizes"  # argparse shows these


def _all_of(wanted: list[str], known, kind: str, lead: str) -> list[str]:
    """The names asked for, `all` spelled out; an unknown one raises ValueError."""
    for name in wanted:
        if name != "all" and name not in known:
            raise ValueError(f"no {kind} is called {name!r}; {lead} {', '.join(known)}")
    return list(known) if "all" in wanted else list(dict.fromkeys(wanted))


def _export(args, name: str, formats: list[str], argv: list[str]) -> int:
    """Export one network in this process."""
    from export.display import display
    from export.terminal import print_reports

    with display(args.verbose) as show:
        show(name, "loading TensorFlow")
        from export.cost import Meter

        made = _make(args, find_net(name), formats, argv, show, Meter())
        from export.pipeline import judge

        reports = judge(made)
    print_reports(reports, args.json)
    return 0 if all(report.passed for report in reports) else 1


def _make(args, net, formats, argv, show, meter):
    """Write the artifacts. The model is gone when this returns, and its memory with it."""
    image = (*args.image_size, 3) if args.image_size else None
    show(net.name, f"reading {args.weights}" if args.weights else f"seeding weights: {args.seed}")
    from export.checks import Expected
    from export.gate.examine import Wish
    from export.pipeline import Options, make
    from export.signatures.labels import read_labels
    from keras_nets.prepare import prepare
    from keras_nets.preprocess import preprocess_sample, recipe_for_image

    prepared = prepare(
        net,
        args.weights,
        seed=args.seed,
        classes=args.classes,
        image=image,
        progress=partial(show.bar, net.name),
    )
    if prepared.file_sha256:
        show(net.name, f"read weights with the file's sha256 {prepared.file_sha256}")
    pictured = args.labels or args.images
    recipe = recipe_for_image(net, prepared.flavour, image or net.image) if pictured else None
    options = Options(
        prepared.source,
        prepared.flavour,
        args.batch_sizes,
        args.seed,
        ("python", "tools/export.py", *argv),
        Wish(self_test=args.self_test, strict=args.strict, layers=args.layers),
        read_labels(args.labels, prepared.model.output_shape[-1]) if args.labels else (),
        recipe,
        prepared.file_sha256,
    )
    expected = Expected.of(prepared.counts, f"{net.paper}, flavour {prepared.flavour}")
    return make(
        prepared.model,
        formats,
        args.out,
        images=preprocess_sample(args.images, recipe) if args.images else None,
        expected=expected,
        options=options,
        progress=show,
        meter=meter,
    )


def _export_each(args, models: list[str], formats: list[str]) -> int:
    """Export several networks, each in a process of its own, which ends with its memory."""
    from export.report import from_dict
    from export.terminal import print_reports, print_summary

    command = [sys.executable, str(Path(__file__).resolve())]
    for name in formats:
        command += ["--format", name]
    for option in ("weights", "seed", "out", "classes", "images", "labels"):
        if getattr(args, option) is not None:
            command += [f"--{option}", str(getattr(args, option))]
    command += ["--batch-sizes", ",".join(map(str, args.batch_sizes)), "--json"]
    command += ["--image-size", "x".join(map(str, args.image_size))] if args.image_size else []
    for flag in ("verbose", "self_test", "strict", "layers"):
        command += [f"--{flag.replace('_', '-')}"] if getattr(args, flag) else []
    statuses, reports = [], []
    for model in models:
        done = subprocess.run([*command, "--model", model], stdout=subprocess.PIPE, check=False)
        statuses.append(done.returncode)
        written = [from_dict(json.loads(line)) for line in done.stdout.splitlines()]
        reports += written
        if args.json:
            print_reports(written, as_json=True)
    if not args.json:
        print_summary(reports)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
