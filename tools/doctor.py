"""Show what this machine can do: packages, lanes, GPU, memory and disk.

    python tools/doctor.py
    python tools/doctor.py --make-lanes

--make-lanes makes the private environments ahead of their first use, for images and machines
without a network. Exit status: 0, or 2 where a lane could not be made.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json

from export.commandline.options import make_parser
from export.ending import ending


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--make-lanes", action="store_true", help="make all that this machine can have"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)

    with ending(interrupted="interrupted; a lane that was being made is gone"):
        from export.commandline.display import display
        from export.commandline.doctor import examine, print_findings
        from export.lanes import LANES, make

        if args.make_lanes:
            with display(verbose=False) as show:
                for name in LANES:
                    make(name, show)
        findings = examine()
        print(json.dumps(findings, indent=1)) if args.json else print_findings(findings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
