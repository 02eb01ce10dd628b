"""Cells of a table as dates."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from textune.data.values import parse_label

__all__ = ["parse_date"]


def parse_date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = parse_label(value)
    return None if text is None else _parse_day(text)


@lru_cache(maxsize=1 << 16)
def _parse_day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise ValueError("which is no date; write YYYY-MM-DD") from None
