"""json files as tables: an array of objects, one that an object holds, or columns by their names."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from textune.data.content import read_text
from textune.data.reading import Reading
from textune.data.tables.json_lines import read_json_lines, records_as_table
from textune.data.tables.table import Table
from textune.errors import DataError, plain
from textune.storage import redact

__all__ = ["read_json"]


def read_json(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads a file that is one JSON value, or one object a line as in jsonl files.

    The value is an array of objects, an object of which one member is such an array, or, as pandas writes frames, an
    object with an array or an object of as many cells for each column.
    """
    name = redact(place)
    text = read_text(place, reading)
    if not text.strip("\ufeff \t\r\n"):
        raise DataError(f"{name} is empty")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # after the first object: the next line
            return read_json_lines(place, wanted, reading)
        raise DataError(f"{name} is not JSON: {error}; write an array of objects, or one object per line") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}; write an array of objects, or one object per line") from error
    del text
    return records_as_table(name, "row", enumerate(_records(name, document), start=1), wanted, reading)


def _records(name: str, document: Any) -> list[dict[str, Any]]:
    records = _list_of_records(name, document)
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(f'{name}, row {number} is not an object; write objects, such as {{"text": "…"}}')
    return records


def _list_of_records(name: str, document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    members: dict[str, Any] = document if isinstance(document, dict) else {}
    lists = {key: value for key, value in members.items() if isinstance(value, list)}
    mappings = {key: value for key, value in members.items() if isinstance(value, dict)}
    holding = [key for key, value in lists.items() if value and isinstance(value[0], dict)]
    if len(holding) == 1:
        return lists[holding[0]]
    if len(holding) > 1:
        names = ", ".join(f"'{plain(key)[:40]}'" for key in holding[:10])
        raise DataError(f"{name} contains several arrays of objects: {names}; write a file for each")
    if members and len(lists) == len(members) and len({len(value) for value in lists.values()}) == 1:
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    if members and len(mappings) == len(members) and len({tuple(value) for value in mappings.values()}) == 1:
        cells = (value.values() for value in mappings.values())
        return [dict(zip(mappings, row, strict=True)) for row in zip(*cells, strict=True)]
    if len(lists) + len(mappings) < len(members):
        return [document]
    raise DataError(
        f'{name} contains no array of objects; write [{{"text": "…", "label": "…"}}, …], or one object per line'
    )
