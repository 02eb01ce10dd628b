"""What goes through the standard streams where their encoding is not UTF-8: marked, or else UTF-8 all the same."""

from __future__ import annotations

import codecs
import io
import os
import sys

__all__ = ["as_in_files", "mark_what_is_lacking", "write_as_file"]

_PLAIN_SIGNS = {"–": "-", "−": "-", "·": "-", "…": "...", "→": "->", "×": "x", "±": "+/-", "≤": "<=", "’": "'"}
"""What a terminal shows of signs in our own sentences that its encoding lacks."""


def mark_what_is_lacking() -> None:
    """Lets stdout and stderr show what their encodings have, and mark the rest."""
    codecs.register_error("textune", _marked)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="textune")


def _marked(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handles what an encoding lacks: our own signs in a plain form, other characters as Python writes them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = (_PLAIN_SIGNS.get(each) or each.encode("ascii", "backslashreplace").decode() for each in lacking)
    return "".join(shown), error.end


def write_as_file() -> None:
    """Makes a pipe UTF-8, as files are: what goes through is for a program or a file, and must lose nothing."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")


def as_in_files(argument: str) -> str:
    """Returns a name or a setting from the command line as UTF-8 has it, also where the locale is an ASCII one."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape")
