"""csv and tsv files as tables."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from typing import Any

from textune.data.reading import LONGEST_LINE, Reading, either, lines
from textune.data.tables.table import Table, repeated_names, replace_halves, unique_names, whole_characters
from textune.errors import DataError
from textune.storage import redact

__all__ = ["DIVIDERS", "read_delimited"]

DIVIDERS = (",", ";", "\t", "|")
"""What separates columns of the files that people have."""


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
    header: _Header | None = None
    kept: list[tuple[int, list[str]]] = []
    numbers: list[int] = []
    line = 1
    try:
        for row in reader:
            is_data = bool(row)  # or else a blank line
            if header is None and "".join(row).strip():
                header = _Header(name, row, reading)
                header.fitted(row, line, delimiter)
                kept = [(index, []) for index, column in enumerate(header.names) if wanted is None or column in wanted]
                is_data = not reading.header
            if is_data and header is not None:
                fields = row if len(row) == len(header.names) else header.fitted(row, line, delimiter)
                for index, values in kept:
                    values.append(fields[index])
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line} is not well-formed: {error}; {_hint(error, reading)}") from error
    if header is None:
        raise DataError(f"{name} is empty")
    if not numbers:
        raise DataError(f"{name} has a header and no rows")
    columns: dict[str, list[Any]] = {header.names[index]: values for index, values in kept}
    replaced = replace_halves(columns, reading)
    return Table(name, header.names, columns, "line", numbers, replaced, header.repeated, header.divider, typed=False)


class _Header:
    """The names of the columns, from the first row that is not blank or from the settings."""

    def __init__(self, name: str, row: Sequence[str], reading: Reading) -> None:
        self._name, self._first = name, "the header has" if reading.header else "the first line has"
        given = [whole_characters(column.strip()) for column in row] if reading.header else [""] * len(row)
        if reading.header and any("\0" in column for column in row):
            raise DataError(
                f"{name} has NUL bytes in its header; it is no text file, or its encoding is not {reading.encoding} "
                "but another, such as utf-16"
            )
        # A file of texts alone, of a study whose files have more columns, is read for its predictions.
        if reading.columns is not None and (reading.header or len(row) > 1):
            given, self._first = list(reading.columns), "data.columns names"
        self.repeated = repeated_names(given)
        self.names = unique_names(name, given)
        self.divider = _divider(row[0]) if reading.header and len(row) == 1 else None
        self._num_named = max((place for place, column in enumerate(given, start=1) if column), default=len(given))

    def fitted(self, row: list[str], line: int, delimiter: str) -> list[str]:
        """Returns as many fields as there are columns; blank ones at the end, and those without a name, may lack.

        Raises:
            DataError: others lack, or are too many.
        """
        num_columns = len(self.names)
        if self._num_named <= len(row) < num_columns:
            return [*row, *[""] * (num_columns - len(row))]
        if len(row) >= num_columns and not "".join(row[num_columns:]).strip():
            return row[:num_columns]
        raise DataError(
            f"{self._name}, line {line} has {len(row)} fields where {self._first} {num_columns}; "
            f"put texts that hold a {_spoken(delimiter)} or a line end into double quotes"
        )


def _divider(header: str) -> str | None:
    """Returns what seems to separate the columns of a header that was read as one."""
    return max((each for each in DIVIDERS if each in header), key=header.count, default=None)


def _hint(error: csv.Error, reading: Reading) -> str:
    if not reading.quotes:
        return "mend the line"
    if "field limit" in str(error):
        return "no text is that long; is the quote closed that opens it?"
    return either("double a quote that belongs to a text", reading.way("quotes", "false"))


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab", ";": "semicolon"}.get(delimiter, f"'{delimiter}'")
