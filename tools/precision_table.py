"""Print what artifacts in reduced precision cost and how far they are off, as Markdown.

    python tools/precision_table.py exports/ > table.md

Reads the report.json of every artifact below the folders; each is held against the FP32 ONNX of
the same model, where there is one. Exit status: 0, or 2 where there is nothing to read.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from export.commandline.options import make_parser
from export.ending import ending
from export.errors import ArtifactError


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    args = parser.parse_args(argv)
    with ending():
        from export.tables.markdown import markdown
        from export.tables.precision import ALIGN, HEADER, read_rows

        rows = read_rows(args.folders)
        if not rows:
            raise ArtifactError(f"{args.folders[0]} has no artifact; export some first")
        print(markdown(HEADER, ALIGN, rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
