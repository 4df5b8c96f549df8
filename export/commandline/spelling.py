"""How a user calls a tool: `keras-nets verify` once installed, else `python tools/verify.py`.

One place decides, so that helps, next steps and the command in a report name what can be typed.
"""

import re
import sys
from pathlib import Path

CONSOLE = "keras-nets"  # the script that setup.cfg installs
PACKAGE = "keras_nets_tools"  # what tools/ is called there
MODULES = {  # of tools/, by the commands that they are; the other tools are of a checkout alone
    "export": "export",
    "verify": "verify",
    "evaluate": "evaluate",
    "benchmark": "benchmark",
    "compress": "compress",
    "bundle": "bundle",
    "client": "client",
    "report": "report",
    "doctor": "doctor",
    "list": "list",
    "summary": "summary",
    "table": "model_table",
    "convert-weights": "convert_weights",
}
_COMMANDS = {module: command for command, module in MODULES.items()}
SCRIPT = re.compile(r"(?:python )?\btools/(\w+)\.py")


def typed(tool: str) -> tuple[str, ...]:
    """The words that call the tool of the module `tool`, as this process was started."""
    if tool in _COMMANDS and _is_installed():
        return CONSOLE, _COMMANDS[tool]
    return "python", f"tools/{tool}.py"


def spelled(text: str) -> str:
    """`text` with every `tools/x.py`, and `python` before it, as the user would type it."""
    if not _is_installed():
        return text
    return SCRIPT.sub(_called, text)


def _called(found: re.Match) -> str:
    return " ".join(typed(found[1])) if found[1] in _COMMANDS else found[0]


def _is_installed() -> bool:
    script = Path(sys.argv[0] if sys.argv else "")
    return script.name.partition(" ")[0] == CONSOLE or script.parent.name == PACKAGE
