"""txt files as tables: one text a line."""

from __future__ import annotations

from collections.abc import Iterable

from textune.data.content import lines
from textune.data.reading import Reading
from textune.data.tables.table import Table, replace_halves
from textune.storage import redact

__all__ = ["TEXT", "lines_as_table", "read_lines"]

TEXT = "text"
"""The name of the column of texts in what has no columns."""


def read_lines(place: str, reading: Reading) -> Table:
    """Reads a file with one text a line."""
    return lines_as_table(redact(place), lines(place, reading, newline="\n"), reading)


def lines_as_table(name: str, given: Iterable[str], reading: Reading) -> Table:
    """Returns lines as a table of one column. Only a line feed ends a text, blank lines are empty texts."""
    texts = [line.removesuffix("\n").removesuffix("\r") for line in given]
    columns = {TEXT: texts}
    return Table(
        name, (TEXT,), columns, "line", range(1, len(texts) + 1), replace_halves(columns, reading), typed=False
    )
