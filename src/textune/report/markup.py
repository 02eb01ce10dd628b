"""HTML tables whose cells are escaped unless they say that they are markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from textune.storage import redact
from textune.tracking.wording import plain

__all__ = ["Cell", "escaped", "table"]


@dataclass(frozen=True)
class Cell:
    """One cell: its text, the class it is styled by, and what a pointer reads over it."""

    text: str
    style: str = ""
    title: str = ""
    markup: bool = False


def escaped(text: str) -> str:
    """Text for HTML, attributes included: no credentials, and control and direction characters become visible."""
    return html.escape(plain(redact(text)), quote=True)


def table(heads: Sequence[Cell], rows: Sequence[Sequence[Cell]], classes: Sequence[str] = ()) -> str:
    """Returns a table; `classes` styles its rows."""
    head = f"<thead><tr>{''.join(_cell('th', cell) for cell in heads)}</tr></thead>" if heads else ""
    styles = classes or [""] * len(rows)
    body = "".join(
        f"<tr{_attribute('class', style)}>{''.join(_cell('td', cell) for cell in row)}</tr>"
        for row, style in zip(rows, styles, strict=True)
    )
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _cell(tag: str, cell: Cell) -> str:
    attributes = _attribute("class", cell.style) + _attribute("title", cell.title)
    return f"<{tag}{attributes}>{cell.text if cell.markup else escaped(cell.text)}</{tag}>"


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escaped(value)}"' if value else ""
