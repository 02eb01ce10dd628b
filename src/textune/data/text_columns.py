"""The columns of the texts: one, or several whose cells are joined."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from textune.data.reading import Reading
from textune.data.tables import Table
from textune.errors import plain

__all__ = ["SEPARATOR", "TextColumns", "column_names", "joined", "text_names"]

TextColumns = str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
"""What a study says of them: a name, or a list of names."""

SEPARATOR = " "
"""What stands between the joined cells of a row."""

_log = logging.getLogger("textune")


def column_names(text: TextColumns) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def text_names(table: Table, columns: Sequence[TextColumns], reading: Reading) -> Sequence[str]:
    """Returns the columns of the texts to predict.

    Args:
        table: that has them.
        columns: what they may be; the first that are there are taken. Of several possibilities none has to be there if
            the table has one column, and one is wanted.
        reading: how the table was read; says what a user may change.

    Raises:
        DataError: they are not there.
    """
    possible = [column_names(each) for each in columns]
    for names in possible:
        if all(table.has(name) for name in names):
            return names
    if len(table.names) == len(possible[0]) == 1 and len(columns) > 1 and not table.divider:
        _log.warning("%s has one column, '%s', which is read as the texts", table.name, plain(table.names[0]))
        return table.names
    raise table.refusal(next(name for name in possible[0] if not table.has(name)), "text", reading)


def joined(columns: Sequence[Sequence[str | None]], separator: str) -> list[str | None]:
    """Returns the text of each row: the cells of its columns, without those that are empty or missing.

    Args:
        columns: the cells as texts, a sequence for each column.
        separator: what stands between them.

    Returns:
        None where all cells of a row are empty or missing.
    """
    if len(columns) == 1:
        return list(columns[0])
    return [separator.join(cell for cell in cells if cell) or None for cells in zip(*columns, strict=True)]
