"""What the installed script `keras-nets` calls.

A wheel has tools/ as the package keras_nets_tools. Older ways of `pip install -e` only put the
checkout on the path, where it is still called tools.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

from export.commandline.spelling import PACKAGE


def main() -> int:
    package = PACKAGE if find_spec(PACKAGE) else "tools"
    return import_module(f"{package}.console").main(sys.argv[1:])
