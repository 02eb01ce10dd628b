"""Cells of a table as texts, labels and groups: the same for training and prediction, whatever the cell came in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Set
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import UUID

import numpy as np

from textune.data.base import Label, LabelType
from textune.data.tables.table import has_half_a_character, whole_characters
from textune.errors import DataError, quoted, type_of

__all__ = [
    "Cell",
    "as_texts",
    "class_order",
    "label_type",
    "parse_cells",
    "parse_label",
    "parse_text",
    "plain_value",
    "typed_label",
]

T = TypeVar("T")

Cell = Label | None
"""What a cell holds once the library it came from does not matter; None where it is missing."""

MOST_BITS = 4_096
"""Of a whole number; no column has longer ones, and Python refuses to write much longer ones."""

_INTEGRAL = re.compile(r"[+-]?\d+\.0+")
_BOOLEANS = {"true", "false"}
_BOOLEAN_TEXTS = {"True", "False", "TRUE", "FALSE"}
LONGEST_NUMBER = 32
"""Characters of a text that may be a number."""
_MISSING = {"NAType", "NaTType"}
"""What pandas calls the types of its missing values; pandas itself need not be there."""


def parse_text(value: Any) -> str | None:
    """Returns the text of a cell; None where it is blank or missing.

    Numbers, truth values and dates are written as in `parse_label`, and so are the texts "4.0" and "True", as which a
    csv file has them. All other text is untouched.
    """
    if not isinstance(value, str):
        return parse_label(value)
    _check_surrogates(value)
    if len(value) <= LONGEST_NUMBER and (_INTEGRAL.fullmatch(value) or value in _BOOLEAN_TEXTS):
        return parse_label(value.lower())
    return None if not value or value.isspace() or value in ("nan", "NaN") else value


def as_texts(values: Iterable[Any], where: Callable[[int], str]) -> list[str]:
    """Returns the cells of a column as texts to predict: as `parse_text`, an empty text where one is missing.

    Half of a surrogate pair becomes U+FFFD, as in training with `encoding_errors: replace`.

    Raises:
        DataError: a cell holds neither text nor a number; names it by `where` of its position.
    """
    whole = (whole_characters(value) if isinstance(value, str) else value for value in values)
    return [text or "" for text in parse_cells(whole, parse_text, where)]


def parse_cells(values: Iterable[Any], parse: Callable[[Any], T], where: Callable[[int], str]) -> list[T]:
    """Returns what `parse` returns of each cell.

    Raises:
        DataError: `parse` raised a ValueError; names the cell by `where` of its position.
    """
    parsed = []
    for row, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except ValueError as error:
            raise DataError(f"{where(row)} holds {quoted(value)}, {error}") from None
    return parsed


def parse_label(value: Any) -> str | None:
    """Returns the name of a label; None where it is missing.

    Equal numbers have one name, whatever type and width they come in: `1`, `1.0` and the text "1.0" are "1". Texts lose
    blanks around them, truth values are "true" and "false", dates are written as in ISO 8601.
    """
    cell = plain_value(value)
    if isinstance(cell, str):
        return _name(cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return None if cell is None else str(cell)


def plain_value(value: Any) -> Cell:
    """Returns a cell of numpy, pandas, Arrow or a database as text, truth value, whole number or number.

    Raises:
        ValueError: it is something else; says what is allowed.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise ValueError(f"a number of more than {MOST_BITS:,} bits; allowed: a shorter one")
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, np.datetime64):
        return plain_value(value.astype("datetime64[us]").item())
    if isinstance(value, np.bool_ | np.integer) and not isinstance(value, np.timedelta64):
        return plain_value(value.item())
    if isinstance(value, np.floating):
        return plain_value(float(str(value)))  # as its own width writes it: the float32 0.1 is 0.1
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, datetime):
        return str(value.date() if value.timetz() == time() else value)  # pandas has no days, only their midnights
    if isinstance(value, date | UUID):
        return str(value)
    raise ValueError(f"{type_of(value)}; allowed: text, a number or a date")


def _of_decimal(value: Decimal) -> Cell:
    if value.is_nan():
        return None
    if value.is_finite() and -4 < value.adjusted() < 300 and value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


@lru_cache(maxsize=1 << 16)  # columns of labels, groups and dates hold few different values
def _name(text: str) -> str | None:
    _check_surrogates(text)
    name = text.strip()
    if _INTEGRAL.fullmatch(name):
        name = name.split(".")[0]
        return "0" if name == "-0" else name
    return None if name in ("", "nan", "NaN") else name


def _check_surrogates(text: str) -> None:
    if has_half_a_character(text):
        raise ValueError(
            "which has half of a surrogate pair and is no text; mend or remove the row, or set data.encoding_errors to "
            "replace"
        )


def label_type(names: Collection[str], types: Set[type]) -> LabelType:
    """Returns the type that all labels have; text where they are of several.

    Args:
        names: of the labels.
        types: of the cells they come from, without texts of a file that has nothing but texts: there the names tell.
    """
    if types <= {bool} and {name.lower() for name in names} <= _BOOLEANS:
        return "boolean"
    if types <= {int} and all(_is_name_of(name, int) for name in names):
        return "integer"
    return "float" if types <= {int, float} and all(_is_name_of(name, float) for name in names) else "text"


def _is_name_of(name: str, number: type[int] | type[float]) -> bool:
    """Whether a label is how a number is written, so that a number can stand for it: neither 007 nor 1e3 is."""
    try:
        return math.isfinite(number(name)) and parse_label(number(name)) == name
    except (ValueError, OverflowError):
        return False


def typed_label(name: str, kind: LabelType) -> Label:
    """Returns the label that a class name stands for."""
    if kind == "boolean":
        return name == "true"
    return int(name) if kind == "integer" else float(name) if kind == "float" else name


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
