"""`python -m textune`."""

import os
import sys

# Python puts the current folder first. As with the command `textune`, no module in it is imported, not even here.
HERE, OURS = os.getcwd(), os.path.dirname(os.path.dirname(__file__))  # noqa: PTH109, PTH120
if not sys.flags.safe_path and sys.path[0] == HERE != OURS:
    del sys.path[0]

from textune.cli import main  # noqa: E402

main()
