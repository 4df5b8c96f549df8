"""Add a verified artifact to a folder that serves, or check such a folder.

    python tools/bundle.py exports/vgg13/tftrt-fp16 --to deploy/
    python tools/bundle.py --to deploy/ --promote vgg13
    python tools/bundle.py --check deploy/

Exit status: 0 done, or nothing found; 1 the check found something; 2 could not run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where a sibling hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json

from export.commandline.options import make_parser, named
from export.commandline.paths import need_writable
from export.ending import ending

SERVERS = ("tf-serving", "triton")


def main(argv=None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    with ending(extra="serving"):
        adds_or_promotes = args.to and bool(args.artifact) != bool(args.promote)
        asked = (args.artifact, args.to, args.promote)
        if any(asked) if args.check else not adds_or_promotes:
            parser.error("name ARTIFACT --to DIR, or --to DIR --promote MODEL, or --check DIR")
        if args.check:
            return _check(args.check, args.json)
        return _promote(args) if args.promote else _add(args)


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("artifact", nargs="?", type=Path, help="folder that holds report.json")
    parser.add_argument("--to", type=Path, metavar="DIR", help="serving folder, made when missing")
    parser.add_argument("--name", help="what clients call the model; default: its own name")
    parser.add_argument(
        "--server", type=named(SERVERS, "server"), metavar="NAME",
        help=f"{' or '.join(SERVERS)}; default: by format")  # fmt: skip
    parser.add_argument(
        "--mounted-at", metavar="PATH", help="where the server sees DIR; default: /bundle"
    )
    parser.add_argument(
        "--image", help="image of TF Serving, NAME:TAG@sha256:...; 'default': the toolkit's own"
    )
    parser.add_argument("--promote", metavar="MODEL", help="make MODEL's canary its stable version")
    parser.add_argument(
        "--keep-edits",
        action="store_true",
        help="write FILE.new beside files edited by hand",
    )
    parser.add_argument("--check", type=Path, metavar="DIR", help="list what is wrong with DIR")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def _add(args) -> int:
    from export.report.file import read_content

    read_content(args.artifact)  # refuses what it can before numpy loads
    need_writable("--to", args.to)
    from export.serving.bundle import add

    added = add(
        args.artifact,
        args.to,
        name=args.name,
        server=args.server,
        root=args.mounted_at,
        image=args.image,
        keep_edits=args.keep_edits,
    )
    for remark in added.remarks:
        print(f"note: {remark}", file=sys.stderr)
    for path in added.beside:
        print(f"kept your edits; the new text is in {path}", file=sys.stderr)
    if added.canary_before and added.server == "tf-serving":
        print(
            f"version {added.canary_before} was the canary; a running server gives that label to "
            f"version {added.version} only when it is restarted",
            file=sys.stderr,
        )
    if args.json:
        print(json.dumps(vars(added), default=str))
    else:
        from export.wording import counted

        warm = (
            f", {counted(added.warmup_records, 'warm-up record')}" if added.warmup_records else ""
        )
        print(
            f"{added.folder}: {added.model} version {added.version} for {added.server}, "
            f"{added.verdict} ({added.how}{warm})"
        )
    return 0


def _promote(args) -> int:
    from export.serving.bundle import promote

    model = promote(args.to, args.promote, keep_edits=args.keep_edits)
    answer = {"model": model.name, "stable": model.stable}
    print(json.dumps(answer) if args.json else f"{model.name}: stable is version {model.stable}")
    return 0


def _check(folder: Path, as_json: bool) -> int:
    from export.serving.lint import lint, remarks

    findings = lint(folder)
    for remark in remarks(folder):
        print(f"note: {remark}", file=sys.stderr)
    if as_json:
        print(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.path}: {finding.text}")
        if not findings:
            print(f"{folder}: nothing is wrong", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
