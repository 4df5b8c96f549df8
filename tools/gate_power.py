"""Measure what the gate catches, and how often it cries wolf; write docs/gate_power.md.

    python tools/gate_power.py --seeds 50 --minutes 25

Every network is exported in every format and self-tested; then it is exported again with other
weights and other probe images, none of which may fail; then the rules of other exporters are asked
to find the same bugs. What is done is kept in --work and not done again, so a study can be stopped
and resumed; it takes hours. Needs the lane for TF-TRT. Exit status: 0 the page was written, 2 a
step could not run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse  # for what is not shown in --help
import json
import shutil
import subprocess
import tempfile
import time

from export.commandline import options
from export.ending import ending
from export.errors import ExportError
from export.formats.names import NAMES
from export.tensorflow_settings import quiet_tensorflow
from keras_nets.catalog import NETS, find_net

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "docs" / "gate_power"  # kept, so that the page can be made again and added to
KEPT = ("model", "format", "passed", "checks")  # of a report
ORDER = ("power", "peers", "seeds")  # of the steps: the longest last


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    args.format = args.format or list(NAMES)
    quiet_tensorflow()
    with ending(interrupted="stopped; what is done is kept, and the next run goes on from there"):
        if args.step:  # a child of ours: one step of one network
            STEPS[args.step](args, args.model[0])
            return 0
        return _study(args, argv)


def _study(args, argv: list[str]) -> int:
    deadline = time.time() + 60 * args.minutes
    args.work.mkdir(parents=True, exist_ok=True)
    for step in ORDER:
        for model in args.model or NETS:
            if time.time() < deadline and _in_a_child(argv, deadline, step, model):
                raise ExportError(f"{step} of {model} did not end well; see above")
    from export.study.page import write

    write(args.work, args.doc, tuple(NETS))
    return 0


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--model", action="append", type=options.named(NETS, "network"), metavar="NAME",
        help="all if absent")  # fmt: skip
    add("--format", action="append", type=options.named(NAMES, "format"), metavar="NAME",
        help=f"{', '.join(NAMES)}; all if absent")  # fmt: skip
    add("--seeds", type=options.whole(0), default=50, metavar="N",
        help="exports with other weights, of each network (50)")  # fmt: skip
    add("--minutes", type=float, default=1e6, help="after which no further step begins")
    add("--image-size", type=options.whole(1, options.SIDE), metavar="N",
        help="pixels a side; the network's own if absent")  # fmt: skip
    add("--work", type=Path, default=WORK, help="what is done (docs/gate_power)")
    add("--doc", type=Path, default=ROOT / "docs" / "gate_power.md", help="(docs/gate_power.md)")
    add("--step", choices=ORDER, help=argparse.SUPPRESS)
    add("--deadline", type=float, default=float("inf"), help=argparse.SUPPRESS)
    return parser


def _in_a_child(argv: list[str], deadline: float, step: str, model: str) -> int:
    """The exit status of one step of one network, in a process that ends with its memory."""
    command = [sys.executable, str(Path(__file__).resolve()), *options.without_models(argv)]
    command += ["--step", step, "--model", model, "--deadline", str(deadline)]
    print(f"{step} of {model}", file=sys.stderr, flush=True)
    return subprocess.run(command, check=False).returncode


def _record(args, name: str) -> Path:
    return args.work / f"{name}.json"


def _power(args, model: str) -> None:
    """Export in every format with the self-test, and keep the reports."""
    missing = [f for f in args.format if not _record(args, f"power-{model}-{f}").exists()]
    if not missing:
        return
    from export.formats import find_format

    out = Path(tempfile.mkdtemp(prefix="gate-power-"))
    command = [sys.executable, str(ROOT / "tools" / "export.py"), "--model", model]
    command += ["--self-test", "--json", "--out", str(out)]
    command += ["--image-size", str(args.image_size)] if args.image_size else []
    command += ["--calibration", "synthetic"] if any(find_format(f).needs for f in missing) else []
    for format in missing:
        command += ["--format", format]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        for line in done.stdout.splitlines():
            report = json.loads(line)
            kept = json.dumps({key: report[key] for key in KEPT})
            _record(args, f"power-{model}-{report['format']}").write_text(kept + "\n")
    finally:
        shutil.rmtree(out)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)


def _seeds(args, model: str) -> None:
    """Write the network with one set of weights after another, and ask every check."""
    from export.study.page import read_seeds

    done = {record["seed"] for record in read_seeds(args.work, model)}
    wanted = [seed for seed in range(1, args.seeds + 1) if seed not in done]
    if not wanted or time.time() > args.deadline:
        return
    from export.study.page import SEEDS
    from export.study.seeds import judge_seeds
    from keras_nets.weights.seeded import seed_weights

    with (args.work / SEEDS.format(model)).open("a") as file:
        for record in judge_seeds(_build(args, model), seed_weights, wanted, args.format):
            file.write(json.dumps(record) + "\n")
            file.flush()
            if time.time() > args.deadline:
                return


def _peers(args, model: str) -> None:
    path = _record(args, f"peers-{model}")
    if not path.exists():
        from export.study.peers import ask_peers

        path.write_text(json.dumps(ask_peers(_build(args, model))) + "\n")


def _build(args, model: str):
    import keras

    keras.utils.set_random_seed(0)
    side = args.image_size
    return find_net(model).build(**({"image": (side, side, 3)} if side else {}))


STEPS = {"power": _power, "seeds": _seeds, "peers": _peers}


if __name__ == "__main__":
    sys.exit(main())
