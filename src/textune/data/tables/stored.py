"""Tables in the cache, as JSON: frames that the processes of a study read. Messages name the frame, not the file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from textune.data.locate import is_url
from textune.data.reading import Reading
from textune.data.tables.table import Table, replace_halves
from textune.errors import DataError

__all__ = ["STORED", "is_frame", "is_stored", "lost", "read_stored", "stored_lines"]

STORED = "stored-frame"
"""The name of the file."""

DATE = "date"


def is_stored(place: str) -> bool:
    return not is_url(place) and Path(place).name == STORED


def is_frame(place: str) -> bool:
    """Whether a path is that of a frame in the cache, as it is stored now or as it was until it had a name there."""
    return Path(place).parent.name.startswith("frame-") and Path(place).name in {STORED, "rows.jsonl"}


def stored_lines(table: Table) -> Iterator[bytes]:
    """Yields what the file of a table holds: a line on the table, then a line with the cells of each row.

    Args:
        table: of cells that are text, truth values, numbers, dates or None.
    """
    yield _line({"name": table.name, "names": table.names, "unit": table.unit, "columns": list(table.columns)})
    for row in zip(*table.columns.values(), strict=True):
        yield _line(row)


def read_stored(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads a table that was stored; its rows are counted from 0.

    Raises:
        DataError: it is no longer there as it was stored.
    """
    try:
        with Path(place).open("rb") as file:
            table, *rows = (json.loads(line, object_hook=_date_or_table) for line in file)
    except (OSError, ValueError):
        raise lost() from None
    columns: dict[str, list[Any]] = {
        name: [row[index] for row in rows]
        for index, name in enumerate(table["columns"])
        if wanted is None or name in wanted
    }
    replaced = replace_halves(columns, reading)
    return Table(table["name"], tuple(table["names"]), columns, table["unit"], range(len(rows)), replaced)


def lost() -> DataError:
    return DataError(
        "the frame that the study reads is no longer in the cache; call textune.run with study and frame again, or set "
        "data.path to a file"
    )


def _line(value: object) -> bytes:
    return json.dumps(value, default=lambda day: {DATE: day.isoformat()}).encode() + b"\n"


def _date_or_table(given: dict[str, Any]) -> Any:
    return datetime.fromisoformat(given[DATE]) if given.keys() == {DATE} else given
