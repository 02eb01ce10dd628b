"""Cells of a table as texts, labels and groups."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from textune.data.tables.table import has_half_a_character

__all__ = ["class_order", "parse_group", "parse_label", "parse_text"]

_INTEGRAL = re.compile(r"[+-]?\d+\.0+")


def class_order(labels: set[str]) -> tuple[str, ...]:
    """Sorts class names as a person would: numbers by value, words by letters, digits inside words by value."""
    try:
        return tuple(sorted(labels, key=lambda label: (_number(label), label)))
    except ValueError:
        return tuple(sorted(labels, key=lambda label: (_natural(label.casefold()), label)))


def _number(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise ValueError
    return number


def _natural(text: str) -> list[tuple[int, str]]:
    """Digits compare by how many they are, then by what they are: the value of thousands of digits is not computed."""
    digits = [(len(piece.lstrip("0")), piece.lstrip("0")) for piece in re.findall("[0-9]+", text)]
    words = [(-1, piece) for piece in re.split("[0-9]+", text)]
    return [piece for pair in zip_longest(words, digits) for piece in pair if piece is not None]


def parse_text(value: Any) -> str | None:
    """Returns the text untouched; None where it is blank or NaN."""
    if isinstance(value, str):
        _check_surrogates(value)
        return None if not value or value.isspace() or value in ("nan", "NaN") else value
    return parse_label(value)


def parse_label(value: Any) -> str | None:
    """Returns a label's name, without blanks around it or '.0' after a whole number; None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError(f"a {type(value).__name__}; allowed: text or a number")  # noqa: TRY004 - the caller adds the row
    return _name(str(value))


@lru_cache(maxsize=1 << 16)  # columns of labels, groups and dates hold few different values
def _name(text: str) -> str | None:
    _check_surrogates(text)
    name = text.strip()
    if _INTEGRAL.fullmatch(name):
        name = name.split(".")[0]
    return None if name in ("", "nan", "NaN") else name


def _check_surrogates(text: str) -> None:
    if has_half_a_character(text):
        raise ValueError(
            "which has half of a surrogate pair and is no text; mend or remove the row, or set data.encoding_errors to "
            "replace"
        )


def parse_group(value: Any) -> str | None:
    return str(value) if isinstance(value, date | Decimal) else parse_label(value)
