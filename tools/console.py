"""Export Keras networks to formats that servers run, and prove each artifact.

    python tools/console.py export --model vgg13 --format tftrt-fp16

Once installed it is called keras-nets. Every command has a --help of its own. Exit status: 0 done,
1 a check failed, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import configparser
from importlib import import_module, metadata

from export.commandline.options import make_parser
from export.commandline.spelling import CONSOLE, MODULES
from export.ending import ending, leave
from export.names import choose

COMMANDS = {
    "export": "write a network in formats, and verify each artifact",
    "verify": "check artifacts again, and test the checks on planted bugs",
    "evaluate": "measure top-1 and top-5 on labelled pictures",
    "benchmark": "measure how fast artifacts run",
    "compress": "make a network smaller: prune, cluster, train for int8",
    "bundle": "make a folder that serves",
    "client": "ask a server, and show how fast it answers",
    "report": "join reports into one page",
    "doctor": "show what this machine can do, and make lanes",
    "list": "show networks and formats",
    "summary": "show what a network costs, layer by layer",
    "table": "write the tables of networks, artifacts and their speed",
    "convert-weights": "turn a weights file into another kind",
}


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else list(argv)
    with ending():
        command = _command(argv)
        tool = import_module(f"{__package__ or Path(__file__).parent.name}.{MODULES[command]}")
    sys.argv[0] = f"{_called()} {command}"  # what its usage begins with
    return tool.main(argv[1:])


def _command(argv: list[str]) -> str:
    """The command that is asked for; --help, --version and what is none end here."""
    parser = make_parser(f"{__doc__}\ncommands:\n{_listed()}")
    parser.add_argument("--version", action="version", version=f"{CONSOLE} {_version()}")
    parser.add_argument("command", metavar="COMMAND", help="one of the above")
    parser.prog = _called()
    asked = parser.parse_args(argv[:1])
    return choose(asked.command, COMMANDS, "command")


def _listed() -> str:
    return "\n".join(f"  {name:<16}{words}" for name, words in COMMANDS.items())


def _called() -> str:
    return Path(sys.argv[0]).name.partition(" ")[0]


def _version() -> str:
    """The version of what runs: what setup.cfg beside it says in a checkout, else the package's."""
    setup = Path(__file__).resolve().parents[1] / "setup.cfg"
    if not setup.is_file():
        return metadata.version("keras-nets")
    config = configparser.ConfigParser()
    config.read(setup, encoding="utf-8")
    return config["metadata"]["version"]


if __name__ == "__main__":
    leave(main())
