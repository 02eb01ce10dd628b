"""Which columns of a table hold the texts, the labels and the split, by their names and by what is in them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from textune.data import SPLIT_WORDS, Reading, Table
from textune.errors import DataError

__all__ = ["WITHOUT_SPACES", "label_column", "named_column", "split_column", "text_columns"]

SAMPLE_ROWS = 2_000
WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese, which write words without spaces between them."""

OF_TEXTS = {
    *("text", "texts", "review", "reviews", "body", "content", "contents", "comment", "comments", "tweet", "message"),
    *("msg", "sms", "sentence", "document", "doc", "post", "description", "abstract", "article", "answer", "utterance"),
    *("feedback", "question", "complaint", "statement", "transcript", "verbatim", "narrative", "summary", "query"),
}
OF_OTHERS = {
    *("id", "url", "link", "address", "date", "time", "timestamp", "name", "author", "user", "username", "email"),
    *("phone", "city", "country", "location", "source", "file", "path", "lang", "language", "split", "hash", "image"),
}
OF_LABELS = ("label", "labels", "class", "category", "target", "sentiment", "polarity", "stars", "rating", "y")
NAME_FACTOR = 4.0


def named_column(table: Table, given: str, setting: str, reading: Reading) -> str:
    """Returns the column that a user means: by its name, or by its number, counted from 1.

    Raises:
        DataError: there is none, or several have the name.
    """
    if table.has(given):
        return given
    number = int(given) if given.isdecimal() and given.isascii() and len(given) < 6 else 0
    if given not in table.repeated and 1 <= number <= len(table.names):
        return table.names[number - 1]
    if reading.header or reading.columns is not None or table.divider:
        raise table.refusal(given, setting, reading)
    shown = ", ".join(f"{place}: '{str(cells[0])[:30]}'" for place, cells in enumerate(table.columns.values(), start=1))
    raise DataError(f"{table.name} has no header; {reading.way(setting, f'the number of a column ({shown})')}")


def label_column(table: Table, reading: Reading) -> str:
    """Returns the one column that is called as labels are.

    Raises:
        DataError: there is none, or there are several.
    """
    found = [name for name in table.names if name.strip().lower() in OF_LABELS and table.has(name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"'{name[:40]}'" for name in (found or table.names)[:30])
    raise DataError(f"{table.name} has no column that is clearly the label; {reading.way('label', f'one of: {names}')}")


def split_column(table: Table, taken: Sequence[str]) -> str | None:
    """Returns the column whose values are all names of splits, and not all the same."""
    for name in sorted(table.names, key=lambda each: each != "split"):
        words = {str(value).strip().lower() for value in table.columns[name] if value not in (None, "")}
        if name not in taken and table.has(name) and len(words) > 1 and words <= SPLIT_WORDS.keys():
            return name
    return None


def text_columns(table: Table, taken: Sequence[str]) -> list[str]:
    """Returns the columns that hold words, best first: by their names, by how long and how different the cells are.

    Raises:
        DataError: there is none.
    """
    names = [name for name in table.names if name not in taken and table.has(name)]
    if not names:
        others = ", ".join(f"'{name}'" for name in taken)
        raise DataError(f"{table.name} has no column but {others}; a study needs a column of texts")
    scores = {name: _name_factor(name) * _likeness(table.columns[name][:SAMPLE_ROWS]) for name in names}
    ranked = sorted(names, key=lambda name: -scores[name])
    return [name for name in ranked if name == ranked[0] or scores[name] > 0]


def _name_factor(name: str) -> float:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)}
    if words & OF_OTHERS:
        return 1 / NAME_FACTOR
    return NAME_FACTOR if words & OF_TEXTS else 1.0


def _likeness(values: Sequence[Any]) -> float:
    """Returns how much values are like texts: many words, few of them equal, few missing."""
    texts = [value for value in values if isinstance(value, str) and any(map(str.isalpha, value))]
    if not texts:
        return 0.0
    length = fmean(len(text.split()) + len(WITHOUT_SPACES.findall(text)) / 2 for text in texts)
    return math.log2(1 + length) * math.sqrt(len(set(texts)) / len(texts)) * len(texts) / len(values)
