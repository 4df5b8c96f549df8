"""Join reports into one page: models by formats, to sort, to compare and to send round.

    python tools/report.py exports/

The page is one file, exports/index.html, that needs no network; it links each artifact's own
report.html, and --pages writes those anew. Files that are not reports of this toolkit are named and
left out. The page cannot lie in an artifact's own folder, because verifying would then fail. Exit
status: 0 written, 2 could not be written or nothing to join.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])


from export.commandline.options import make_parser
from export.commandline.paths import need_place
from export.ending import ending
from export.errors import ArtifactError


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    add = parser.add_argument
    add(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="reports lie in it at any depth",
    )
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: index.html in the first DIR",
    )
    add("--pages", action="store_true", help="write report.html beside every report.json too")
    args = parser.parse_args(argv)
    out = args.out or args.folders[0] / "index.html"
    with ending():
        for path, why in _join(args.folders, out, args.pages):
            print(f"left out {path}: {why}", file=sys.stderr)
    return 0


def _join(folders: list[Path], out: Path, pages: bool):
    """Write the page, print its path, and return (path, why) of each unreadable report."""
    for folder in folders:
        if not folder.is_dir():
            raise ArtifactError(f"{folder} is no folder; name one that tools/export.py wrote into")
    need_place("--out", out)
    from export.files import write_whole
    from export.html import overview
    from export.html.page import write_page
    from export.wording import counted

    if overview.is_within_an_artifact(out):
        raise ArtifactError(
            f"{out} would lie in an artifact's own folder, and verifying that would then fail; "
            "name the folder's parent, or another place with --out"
        )
    found = overview.collect(folders)
    if not found.entries:
        bad = "".join(f"; {path}: {why}" for path, why in found.unread[:1])
        raise ArtifactError(f"no report.json under {', '.join(map(str, folders))}{bad}")
    for entry in found.entries if pages else ():
        write_page(entry.content, entry.folder, entry.folder)
    write_whole(out, overview.render(found, out.parent))
    passed = sum(entry.facts.passed for entry in found.entries)
    unrun = sum(entry.facts.verdict == overview.EXCEPT for entry in found.entries)
    but = f", {unrun} except the engine" if unrun else ""
    print(f"{out}: {counted(len(found.entries), 'artifact')}, {passed} verified{but}")
    return found.unread


if __name__ == "__main__":
    sys.exit(main())
