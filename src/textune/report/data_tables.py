"""The statistics of the data, as `describe` gives them, as HTML tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textune.report.markup import Cell, escaped, table
from textune.tracking.wording import count, percent, plain

__all__ = ["data_tables"]


def data_tables(statistics: Mapping[str, Any]) -> str:
    """Returns one table of single numbers, and one for each group of numbers; empty without statistics."""
    single = {name: value for name, value in statistics.items() if not isinstance(value, Mapping | list | tuple)}
    groups = {name: value for name, value in statistics.items() if isinstance(value, Mapping) and value}
    cards = [_card("", table([], _pairs(single)))] if single else []
    cards += [_card(_words(name), _group(group)) for name, group in groups.items()]
    return f'<div class="grid">{"".join(cards)}</div>' if cards else ""


def _card(title: str, body: str) -> str:
    head = f"<h3>{escaped(title)}</h3>" if title else ""
    return f'<div class="card">{head}<div class="scroll">{body}</div></div>'


def _group(group: Mapping[str, Any]) -> str:
    if not all(isinstance(value, Mapping) for value in group.values()):
        return table([], _pairs(group))
    columns = list(dict.fromkeys(column for row in group.values() for column in row))
    heads = [Cell(""), *(Cell(_words(column), "number") for column in columns)]
    rows = [
        [Cell(_words(name)), *(Cell(_value(column, row.get(column)), "number") for column in columns)]
        for name, row in group.items()
    ]
    return table(heads, rows)


def _pairs(values: Mapping[str, Any]) -> list[list[Cell]]:
    return [[Cell(_words(name)), Cell(_value(name, value), "number")] for name, value in values.items()]


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _value(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    if isinstance(value, float) and "share" in str(name):
        return percent(value)
    return count(value) if float(value).is_integer() else f"{value:,.1f}"
