"""jsonl files as tables: one object a line."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from textune.data.content import lines
from textune.data.reading import Reading
from textune.data.tables.table import Table, has_half_a_character, refuse_many, replace_halves, sharing
from textune.errors import DataError
from textune.storage import redact

__all__ = ["read_json_lines", "records_as_table"]


def read_json_lines(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads a file with one JSON object a line; blank lines are skipped."""
    name = redact(place)
    return records_as_table(name, "line", _json_lines(name, place, reading), wanted, reading)


def records_as_table(
    name: str,
    unit: str,
    numbered: Iterable[tuple[int, dict[str, Any]]],
    wanted: Collection[str] | None,
    reading: Reading,
) -> Table:
    """Returns objects as a table; they may lack columns.

    Args:
        name: of the file.
        unit: what their numbers count.
        numbered: the objects with their numbers.
        wanted: the columns to keep; None keeps all.
        reading: how the file is read.

    Raises:
        DataError: there is no object, or its names are too many or no text.
    """
    names: dict[str, None] = {}
    columns: dict[str, list[Any]] = {}
    kept: list[tuple[str, Callable[[Any], Any], list[Any]]] = []
    numbers = array("q")
    for number, record in numbered:
        if not record.keys() <= names.keys():
            names.update(dict.fromkeys(record))
            for key in record:
                if has_half_a_character(key):
                    raise DataError(f"{name}, {unit} {number} names a column with half of a surrogate pair; mend it")
                if key not in columns and (wanted is None or key in wanted):
                    columns[key] = [None] * len(numbers)
                    kept.append((key, sharing(), columns[key]))
            refuse_many(name, len(names))
        for key, shared, cells in kept:
            cells.append(shared(record.get(key)))
        numbers.append(number)
    if not numbers:
        raise DataError(f"{name} is empty")
    return Table(name, tuple(names), columns, unit, numbers, replace_halves(columns, reading))


def _json_lines(name: str, place: str, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines(place, reading, newline="\n"), start=1):
        if line.isspace():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}, line {number} is not JSON: {error}; write one object per line") from error
        if not isinstance(record, dict):
            raise DataError(
                f'{name}, line {number} is not an object; write one object per line, such as {{"text": "…"}}'
            )
        yield number, record
