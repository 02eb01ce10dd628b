"""csv and tsv files as tables."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from typing import Any

from textune.data.reading import LONGEST_LINE, Reading, either, lines
from textune.data.tables.table import Table, replace_halves, unique_names, whole_characters
from textune.errors import DataError
from textune.storage import redact

__all__ = ["read_delimited"]


def read_delimited(place: str, wanted: Collection[str] | None, reading: Reading, delimiter: str) -> Table:
    """Reads a file whose columns are separated by a delimiter; its first row names them."""
    name = redact(place)
    csv.field_size_limit(LONGEST_LINE)
    # The csv module's own line ends: a U+0085 inside a text ends no line.
    reader = csv.reader(
        lines(place, reading, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if reading.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    names: tuple[str, ...] | None = None
    kept: list[tuple[int, list[str]]] = []
    numbers: list[int] = []
    line = 1
    try:
        for row in reader:
            if not row or (names is None and not "".join(row).strip()):
                pass  # a blank line
            elif names is None:
                names = _header(name, row, reading)
                kept = [(index, []) for index, column in enumerate(names) if wanted is None or column in wanted]
            elif len(row) != len(names):
                raise DataError(
                    f"{name}, line {line} has {len(row)} fields where the header has {len(names)}; "
                    f"put texts that hold a {_spoken(delimiter)} or a line end into double quotes"
                )
            else:
                for index, values in kept:
                    values.append(row[index])
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line} is not well-formed: {error}; {_hint(error, reading)}") from error
    if names is None:
        raise DataError(f"{name} is empty")
    if not numbers:
        raise DataError(f"{name} has a header and no rows")
    columns: dict[str, list[Any]] = {names[index]: values for index, values in kept}
    return Table(name, names, columns, "line", numbers, replace_halves(columns, reading))


def _header(name: str, row: Sequence[str], reading: Reading) -> tuple[str, ...]:
    if any("\0" in column for column in row):
        raise DataError(
            f"{name} has NUL bytes in its header; it is no text file, or its encoding is not {reading.encoding} "
            "but another, such as utf-16"
        )
    return unique_names(name, [whole_characters(column.strip()) for column in row])


def _hint(error: csv.Error, reading: Reading) -> str:
    if not reading.quotes:
        return "mend the line"
    if "field limit" in str(error):
        return "no text is that long; is the quote closed that opens it?"
    return either("double a quote that belongs to a text", reading.way("quotes", "false"))


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab", ";": "semicolon"}.get(delimiter, f"'{delimiter}'")
