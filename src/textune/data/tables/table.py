"""A table in memory that knows where each of its rows is in its file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from textune.data.reading import Reading, either
from textune.errors import DataError, quoted, suggestion

__all__ = [
    "Table",
    "has_half_a_character",
    "refuse_many",
    "replace_halves",
    "sharing",
    "shortest_floats",
    "whole_characters",
]

T = TypeVar("T")

_SURROGATES = re.compile("[\ud800-\udfff]")

MOST_SHARED = 4_096
"""Texts of a column of which each is kept once."""

MOST_COLUMNS = 10_000
"""What a table may have; rows are read into as many lists."""


@dataclass(frozen=True)
class Table:
    """One file in memory. Row i stands at `unit` (line, row, or file of a folder) `numbers[i]` of the file `name`.

    `names` are all columns of the file; `columns` holds those that were asked for. `replaced` are the rows in which
    something that is no text became U+FFFD. `repeated` are names that several columns have: the first of them is used
    under that name. `divider` is what seems to separate the columns of a file that was read as one column.
    Cells of a format that has nothing but texts are not `typed`. `places` are the positions of the rows among the data
    rows of the file, counted from 0, where others count blank rows that are none here.
    """

    name: str
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    unit: str
    numbers: Sequence[int | str]
    replaced: frozenset[int] = field(default=frozenset())
    repeated: frozenset[str] = field(default=frozenset())
    divider: str | None = None
    typed: bool = True
    places: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def has(self, column: str) -> bool:
        """Whether a column can be used: it is there once."""
        return column in self.names and column not in self.repeated

    def refusal(self, column: str, setting: str, reading: Reading) -> DataError:
        """Returns the error of a column that cannot be used.

        Args:
            column: which is missing, or there more than once.
            setting: names it.
            reading: how the table was read; says what a user may change.
        """
        if column in self.repeated:
            ways = either("rename one in the file", reading.way("columns", "a list of names"))
            return DataError(f"{self.name} has several columns named '{column}'; {ways}")
        if self.divider:
            divided = [name.strip() for name in self.names[0].split(self.divider)]
            mistake = "" if column in divided else f"; there is no column '{column}'{suggestion(column, divided)}"
            return DataError(
                f"{self.name} has one column, {quoted(self.names[0])}, which looks like several; "
                f"{reading.way('delimiter', repr(self.divider))}{mistake}"
            )
        names = ", ".join(f"'{name[:40]}'" for name in self.names[:30])
        return DataError(
            f"{self.name} has no column '{column}'{suggestion(column, self.names)}; "
            f"{reading.way(setting, f'one of: {names}')}"
        )

    def where(self, row: int) -> str:
        return f"{self.name}, {self.unit} {self.numbers[row]}"

    def cell(self, column: str, row: int) -> str:
        """Returns where a cell is."""
        return f"{self.where(row)}: column '{column}'"


def sharing() -> Callable[[T], T]:
    """Returns what gives equal texts of a column as one object, so that a column of labels takes no text per row."""
    known: dict[Any, Any] = {}

    def shared(value: T) -> T:
        if not isinstance(value, str):
            return value
        found: T = known.setdefault(value, value) if len(known) < MOST_SHARED else known.get(value, value)
        return found

    return shared


def refuse_many(name: str, num_columns: int) -> None:
    if num_columns > MOST_COLUMNS:
        raise DataError(f"{name} has more than {MOST_COLUMNS:,} columns; is it a table of one text a row?")


def replace_halves(columns: Mapping[str, list[Any]], reading: Reading) -> frozenset[int]:
    """Puts U+FFFD for what is no text, and returns the rows where it did."""
    replaced = set()
    if reading.encoding_errors == "replace":
        for values in columns.values():
            for row, value in enumerate(values):
                if isinstance(value, str) and has_half_a_character(value):
                    values[row] = whole_characters(value)
                    replaced.add(row)
    return frozenset(replaced)


def shortest_floats(values: Iterable[T], width: type[np.floating]) -> list[T | float]:
    """Returns numbers of fewer bits as their own width writes them: the float32 0.1 is 0.1, not 0.10000000149011612."""
    return [float(str(width(value))) if isinstance(value, float) else value for value in values]


def has_half_a_character(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which is no character and cannot be written."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def whole_characters(text: str) -> str:
    """Returns a text with U+FFFD in place of each half of a surrogate pair."""
    return _SURROGATES.sub("\ufffd", text)
