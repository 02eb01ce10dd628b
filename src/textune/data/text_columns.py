"""The columns of the texts: one, or several whose cells are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

__all__ = ["SEPARATOR", "TextColumns", "column_names", "joined"]

TextColumns = str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
"""What a study says of them: a name, or a list of names."""

SEPARATOR = " "
"""What stands between the joined cells of a row."""


def column_names(text: TextColumns) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


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
