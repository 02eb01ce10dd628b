"""What the columns of a table are called: by its first row, by the settings, or by their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textune.data.reading import Reading
from textune.data.tables.table import refuse_many, whole_characters
from textune.errors import DataError

__all__ = ["DIVIDERS", "Header", "repeated_names", "unique_names"]

DIVIDERS = (",", ";", "\t", "|")
"""What separates columns of the files that people have."""


class Header:
    """The names of the columns, from the first row that is not blank or from the settings.

    Attributes:
        names: of all columns, each its own.
        repeated: names that several columns have.
        num_named: up to which column they have names.
        divider: what seems to separate the columns of a header that was read as one column.
        source: where the names are from, for messages.
    """

    def __init__(self, name: str, row: Sequence[str], reading: Reading) -> None:
        self.source = "the header has" if reading.header else "the first line has"
        given = [whole_characters(column.strip()) for column in row] if reading.header else [""] * len(row)
        if reading.header and any("\0" in column for column in row):
            raise DataError(
                f"{name} has NUL bytes in its header; it is no text file, or its encoding is not {reading.encoding} "
                "but another, such as utf-16"
            )
        # A file of texts alone, of a study whose files have more columns, is read for its predictions.
        if reading.columns is not None and (reading.header or len(row) > 1):
            given, self.source = list(reading.columns), "data.columns names"
        self.repeated = repeated_names(given)
        self.names = unique_names(name, given)
        self.num_named = max((place for place, column in enumerate(given, start=1) if column), default=len(given))
        self.divider = _divider(row[0]) if reading.header and len(row) == 1 else None


def unique_names(name: str, header: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the columns. One without a name, or whose name came before, gets one with its place.

    Raises:
        DataError: they are too many.
    """
    refuse_many(name, len(header))
    taken, names = set(header), dict[str, None]()
    for place, column in enumerate(header, start=1):
        unique = column
        if not column or column in names:
            unique = f"{column} ({place})" if column else f"column{place}"
            while unique in taken:
                unique += "'"
            taken.add(unique)
        names[unique] = None
    return tuple(names)


def repeated_names(header: Sequence[str]) -> frozenset[str]:
    return frozenset(column for column, count in Counter(header).items() if column and count > 1)


def _divider(header: str) -> str | None:
    return max((each for each in DIVIDERS if each in header), key=header.count, default=None)
