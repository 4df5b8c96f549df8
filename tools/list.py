"""List the networks of the catalog and the formats.

    python tools/list.py

--model takes other models too: a .keras or .h5 file, package.module:function,
keras.applications:Name, and the folder of a SavedModel. Exit status: 0 listed.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json

from export.commandline.options import make_parser
from export.ending import ending
from keras_nets.catalog import NETS


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON, not tables")
    args = parser.parse_args(argv)
    with ending():
        content = {"networks": _networks(), "formats": _formats()}
        print(json.dumps(content, indent=2) if args.json else _tables(content))
    return 0


def _networks() -> list[dict]:
    return [
        {
            "name": net.name,
            "title": net.title,
            "parameters": net.counts[net.flavours[0]].total,
            "image": list(net.image),
            "flavours": list(net.flavours),
            "paper": net.paper,
        }
        for net in NETS.values()
    ]


def _formats() -> list[dict]:
    from export.formats import FORMATS

    return [
        {"name": one.name, "title": one.title, "precision": one.precision, "lane": one.lane}
        for one in FORMATS.values()
    ]


def _tables(content: dict) -> str:
    networks = [
        (one["name"], f"{one['parameters'] / 1e6:.1f} M", "x".join(map(str, one["image"])))
        for one in content["networks"]
    ]
    formats = [(one["name"], one["title"]) for one in content["formats"]]
    return "\n".join(
        [
            *_columns([("network", "parameters", "image"), *networks]),
            "",
            *_columns([("format", "for"), *formats]),
        ]
    )


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
