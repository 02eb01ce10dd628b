"""csv and tsv files as tables."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Collection
from typing import Any

from textune.data.content import LONGEST_LINE, lines
from textune.data.reading import Reading, either
from textune.data.tables.header import Header
from textune.data.tables.table import Table, replace_halves, sharing
from textune.errors import DataError
from textune.storage import redact

__all__ = ["read_delimited"]


def read_delimited(place: str, wanted: Collection[str] | None, reading: Reading, delimiter: str) -> Table:
    """Reads a file whose columns are separated by a delimiter; its first row names them if there is a header."""
    name = redact(place)
    csv.field_size_limit(LONGEST_LINE)
    # The csv module's own line ends: a U+0085 inside a text ends no line.
    reader = csv.reader(
        lines(place, reading, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if reading.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    header: Header | None = None
    kept: list[tuple[int, Callable[[str], str], list[str]]] = []
    numbers = array("q")
    line = 1
    try:
        for row in reader:
            is_data = bool(row)  # or else a blank line
            if header is None and "".join(row).strip():
                header = Header(name, row, reading)
                _fitted(row, header, f"{name}, line {line}", delimiter, reading)
                indices = (index for index, column in enumerate(header.names) if wanted is None or column in wanted)
                kept = [(index, sharing(), []) for index in indices]
                is_data = not reading.header
            if is_data and header is not None:
                fits = len(row) == len(header.names)
                fields = row if fits else _fitted(row, header, f"{name}, line {line}", delimiter, reading)
                for index, shared, values in kept:
                    values.append(shared(fields[index]))
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line} is not well-formed: {error}; {_hint(error, reading)}") from error
    if header is None:
        raise DataError(f"{name} is empty")
    if not numbers:
        raise DataError(f"{name} has a header and no rows")
    columns: dict[str, list[Any]] = {header.names[index]: values for index, _, values in kept}
    replaced = replace_halves(columns, reading)
    return Table(name, header.names, columns, "line", numbers, replaced, header.repeated, header.divider, typed=False)


def _fitted(row: list[str], header: Header, where: str, delimiter: str, reading: Reading) -> list[str]:
    """Returns as many fields as there are columns; blank ones at the end, and those without a name, may lack.

    Raises:
        DataError: others lack, or are too many.
    """
    num_columns = len(header.names)
    if header.num_named <= len(row) < num_columns:
        return [*row, *[""] * (num_columns - len(row))]
    if len(row) >= num_columns and not "".join(row[num_columns:]).strip():
        return row[:num_columns]
    quoted = f"put texts that hold a {_spoken(delimiter)} or a line end into double quotes"
    advice = reading.way("delimiter", repr(header.divider)) if header.divider else quoted
    raise DataError(f"{where} has {len(row)} fields where {header.source} {num_columns}; {advice}")


def _hint(error: csv.Error, reading: Reading) -> str:
    if not reading.quotes:
        return "mend the line"
    if "field limit" in str(error):
        return "no text is that long; is the quote closed that opens it?"
    return either("double a quote that belongs to a text", reading.way("quotes", "false"))


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab", ";": "semicolon"}.get(delimiter, f"'{delimiter}'")
