"""A table in memory that knows where each of its rows is in its file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textune.data.reading import Reading
from textune.errors import DataError

__all__ = ["Table", "has_half_a_character", "refuse_many", "replace_halves", "unique_names", "whole_characters"]

_SURROGATES = re.compile("[\ud800-\udfff]")

MOST_COLUMNS = 10_000
"""What a table may have; rows are read into as many lists."""


@dataclass(frozen=True)
class Table:
    """One file in memory. Row i stands at `unit` (line or row) `numbers[i]` of the file `name`, counted from 1.

    `names` are all columns of the file; `columns` holds those that were asked for. `replaced` are the rows in which
    something that is no text became U+FFFD.
    """

    name: str
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    unit: str
    numbers: Sequence[int]
    replaced: frozenset[int] = field(default=frozenset())

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def is_undivided(self) -> bool:
        """Whether its only column looks like several, as where another character separates them."""
        return len(self.names) == 1 and any(delimiter in self.names[0] for delimiter in ",;\t|")

    def where(self, row: int) -> str:
        return f"{self.name}, {self.unit} {self.numbers[row]}"


def unique_names(name: str, header: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the columns.

    Raises:
        DataError: two are the same, or they are too many.
    """
    refuse_many(name, len(header))
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise DataError(f"{name} has two columns named '{column}'; give each column a name of its own")
        seen.add(column)
    return tuple(header)


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
