"""Write the tables of docs/models.md: networks, artifacts and their speed.

    python tools/model_table.py --out docs/models.md
    python tools/model_table.py --out docs/models.md --artifacts exports/ --speed speed.jsonl

Table A counts every network of the catalog in every flavour, beside what others print of it. Table
B says what the artifacts below --artifacts are, as their reports have it. Table C shows what
tools/benchmark.py --json measured. Beside the page lie the same figures as .csv and .json, and a
plot. Exit status: 0 written, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import csv
import io
import json

from export.commandline import options
from export.commandline.paths import need_file, need_folder, need_place
from export.ending import ending
from keras_nets.catalog import NETS


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    with ending(verbose=args.verbose):
        return _write(args, argv)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("models.md"), metavar="FILE.md", help="(models.md)")
    add("--artifacts", nargs="+", type=Path, default=[], metavar="DIR",
        help="artifacts, or folders with some at any depth, for table B")  # fmt: skip
    add("--speed", nargs="+", type=Path, default=[], metavar="FILE",
        help="what tools/benchmark.py --json printed, for table C")  # fmt: skip
    add("--accuracy", nargs="+", type=Path, default=[], metavar="FILE",
        help="what tools/evaluate.py --json printed, for the measured top-1")  # fmt: skip
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _write(args, argv) -> int:
    if args.out.suffix != ".md":
        raise ValueError(f"--out names the page, a .md file. Received: {args.out}")
    need_place("--out", args.out)
    for path in (*args.speed, *args.accuracy):
        need_file("--speed or --accuracy", path, "a file of JSON")
    for folder in args.artifacts:
        need_folder("--artifacts", folder, "a folder of artifacts")
    from export.backend import require_tensorflow
    from export.commandline.display import display
    from export.tables.artifacts import read_artifacts
    from export.tables.page import Tables, page
    from export.tables.speed import read_records

    require_tensorflow()
    speed = [record for path in args.speed for record in read_records(path)]
    artifacts, unread = read_artifacts(args.artifacts)
    with display(args.verbose) as show:
        networks = _networks(_measured(args.accuracy), show)
    tables = Tables(networks=networks, artifacts=artifacts, speed=speed, published=_published())
    _save(args.out, tables, page(tables, ("python", "tools/model_table.py", *argv), args.out.stem))
    for line in unread:
        print(f"left out: {line}", file=sys.stderr)
    print(f"written: {args.out}, and .csv, .json and .svg beside it")
    return 0


def _networks(measured: dict[str, dict], show) -> list:
    """A row for each network in each flavour; builds each, without weights."""
    from export.complexity import measure
    from export.tables.networks import NetworkRow, counts_of
    from keras_nets.published import ACCURACY, TORCHVISION_GMACS
    from keras_nets.weights.load import build_unfilled

    rows = []
    for net in NETS.values():
        for number, flavour in enumerate(net.flavours):
            show(net.name, f"counting the flavour {flavour}")
            found, ours = measure(build_unfilled(net, flavour=flavour)), ACCURACY[net.name, flavour]
            top1 = measured.get(f"{net.name} {flavour}", {})
            rows.append(
                NetworkRow(
                    model=net.name,
                    flavour=flavour,
                    page_params_m=None if number else net.page.params_m,
                    page_flops_g=None if number else net.page.flops_g,
                    convention_params_m=net.counts[flavour].page / 1e6,
                    torchvision_gmacs=(
                        TORCHVISION_GMACS.get(net.name) if flavour == "torchvision" else None
                    ),
                    top1_published=ours.top1,
                    top5_published=ours.top5,
                    source=ours.source,
                    top1_measured=top1.get("top1"),
                    margin=top1.get("margin"),
                    pictures=top1.get("pictures"),
                    **counts_of(found),
                )
            )
    return rows


def _measured(paths: list[Path]) -> dict[str, dict]:
    """`model flavour` -> what was measured of the Keras model itself."""
    from export.errors import ArtifactError
    from export.files import read_bounded

    found = {}
    for path in paths:
        try:
            networks = json.loads(read_bounded(path, 64 << 20))["networks"]
            for entry in networks:
                if entry["format"] == "keras" and not entry["error"]:
                    found[f"{entry['model']} {entry['flavour']}"] = {
                        "top1": float(entry["top1"]),
                        "margin": float(entry["margin"]),
                        "pictures": int(entry["pictures"]),
                    }
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            raise ArtifactError(
                f"{path} is not what tools/evaluate.py --json prints ({why})"
            ) from error
    return found


def _published() -> dict[str, dict[str, float]]:
    """Network -> column -> the page's milliseconds."""
    from keras_nets.published import LATENCIES

    return {
        name: {f"{one.gpu} {one.precision} batch {one.batch} (published)": one.ms for one in row}
        for name, row in LATENCIES.items()
    }


def _save(path: Path, tables, page: str) -> None:
    """Write the page and, beside it, table A as .csv and a plot, and all three as .json."""
    from export.files import write_whole
    from export.html.figures.of_networks import accuracy
    from export.tables.networks import CSV

    records = tables.as_records()
    text = io.StringIO()
    rows = csv.DictWriter(text, CSV, extrasaction="ignore", lineterminator="\n")
    rows.writeheader()
    rows.writerows(records["networks"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path.with_suffix(".csv"), text.getvalue())
    first = {row.model: row for row in reversed(tables.networks)}.values()
    drawn = [(row.model, row.gmacs, row.top1_published, 4e-6 * row.param_count) for row in first]
    write_whole(path.with_suffix(".svg"), accuracy(drawn))
    write_whole(path.with_suffix(".json"), json.dumps(records, indent=1) + "\n")
    write_whole(path, page)


if __name__ == "__main__":
    sys.exit(main())
