"""Columns of a table as days, however the dates are written: the form is looked for in the whole column, or given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from textune.data.values import parse_cells, parse_label
from textune.errors import DataError, quoted

__all__ = ["holds_dates", "known_format", "read_days"]

Parse = Callable[[str], date | None]
Where = Callable[[int, int], str]
"""Names a cell, by the position of its column and its row."""

NAMED_FORMATS = ("excel", "unix")
MOST_TRIED = 1_000
"""Different dates by which the form that most have is found, for a message."""
ISO = "ISO 8601, such as 2015-02-24"
_EXCEL_DAY_0 = date(1899, 12, 30)
_EXCEL_DAYS = range(20_000, 60_001)
"""What is taken for days of Excel if nobody says so: 1954 to 2064."""
_MOST_SECONDS = 10**11
"""Of `unix` numbers from here on are milliseconds."""

_NUMBER = re.compile(r"\d+([.,]\d*)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_WEEKDAY = "(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_ZONE = r"(?:z|[+-]\d\d:?\d\d(?::?\d\d)?)"
_DIRECTIVES = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<short_year>\d\d)",
    "m": r"(?P<month>\d\d?)",
    "d": r"(?P<day>\d\d?)(?:st|nd|rd|th)?",
    "b": f"(?P<name>{_MONTH})\\.?",
    "a": f"{_WEEKDAY}\\.?",
    "H": r"\d\d?",
    "I": r"\d\d?",
    "M": r"\d\d",
    "S": r"\d\d",
    "f": r"\d{1,9}",
    "p": r"[ap]\.?m\.?",
    "z": _ZONE,
    "Z": "[a-z]{1,5}",
    "%": "%",
}
_DIRECTIVES |= {"B": _DIRECTIVES["b"], "A": _DIRECTIVES["a"]}
_CLOCK = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s*[ap]\.?m\.?)?"
_TIME = rf"(?:(?:t|,?\s+){_CLOCK}(?:\s*(?:{_ZONE}|[a-z]{{1,5}}))?(?:\s*\([a-z ]+\))?)?"
"""A time of the day behind the date, which decides nothing: the day is the one that is written."""

_CANDIDATES = (
    *(order.replace("-", mark) for mark in "-/. " for order in ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y")),
    *(order.replace("-", mark) for mark in "-/. " for order in ("%d-%m-%y", "%m-%d-%y")),
    *(order.replace("-", mark) for mark in "-/. " for order in ("%d-%b-%Y", "%d-%b-%y", "%b-%d-%Y", "%Y-%b-%d")),
    *(weekday + form for weekday in ("", "%a, ", "%a ") for form in ("%b %d, %Y", "%d %b, %Y")),
    *(weekday + form for weekday in ("%a, ", "%a ") for form in ("%d %b %Y", "%b %d %Y")),
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Z %Y",
    "%a %b %d %H:%M:%S %Y",
)
"""Formats that are tried where none is given; those that differ in day and month are told apart by the column."""


@dataclass(frozen=True)
class _Form:
    """One way to write a date: its name as a user would give or read it, and what reads it (None: it does not fit)."""

    name: str
    parse: Parse

    def fits(self, texts: Iterable[str]) -> bool:
        return all(self.parse(text) is not None for text in texts)


def read_days(columns: Sequence[Iterable[Any]], date_format: str | None, where: Where) -> list[list[date | None]]:
    """Returns the day of each cell of columns that are written alike; None where it is missing.

    Days are those that are written: a time of the day and its zone change nothing. What is a date already stays it.

    Args:
        columns: one for each file.
        date_format: as `strptime` has it, or 'excel' or 'unix'; None: it is looked for in all columns together.
        where: names a cell for messages.

    Raises:
        DataError: a cell is no date in this format, or in the one that most others have; or day and month cannot be
            told apart.
    """
    cells = [
        parse_cells(column, _day_or_text, lambda row, number=number: where(number, row))  # type: ignore[misc]
        for number, column in enumerate(columns)
    ]
    texts = dict.fromkeys(cell for column in cells for cell in column if isinstance(cell, str))

    def place(text: str) -> str:
        number = next(number for number, column in enumerate(cells) if text in column)
        return f"{where(number, cells[number].index(text))} holds {quoted(text)}"

    form = _chosen(list(texts), place) if date_format is None else _form(date_format)
    days = {text: form.parse(text) for text in texts}
    for text, day in days.items():
        if day is None:
            fits_others = any(days.values())
            raise DataError(f"{place(text)}, {_why_not(form, date_format, fits_others=fits_others)}")
    return [[days[cell] if isinstance(cell, str) else cell for cell in column] for column in cells]


def holds_dates(values: Sequence[Any]) -> bool:
    """Whether the first cells of a column are dates, written in one form that tells day from month.

    Numbers are not taken for dates.
    """
    some = [value for value in values[:MOST_TRIED] if value not in (None, "")]
    if not some or any(isinstance(value, int | float) or _NUMBER.fullmatch(str(value)) for value in some):
        return False
    try:
        read_days([some], None, lambda _, row: f"row {row}")
    except DataError:
        return False
    return True


def known_format(date_format: str) -> str:
    """Returns the format.

    Raises:
        ValueError: it cannot be read, or leaves out the year; says what is allowed.
    """
    _form(date_format)
    return date_format


def _day_or_text(value: Any) -> date | str | None:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return value.date() if value == value else None  # noqa: PLR0124 - NaT of pandas differs from itself
    return value if isinstance(value, date) else parse_label(value)


def _chosen(texts: Sequence[str], place: Callable[[str], str]) -> _Form:
    """Returns the one form that all texts have, or the one that most have if there is none.

    Raises:
        DataError: several fit, and read other days.
    """
    iso = _Form(ISO, _iso)
    if iso.fits(texts):
        return iso
    forms = [form for form in _known_forms() if form.fits(texts)]
    if not forms:
        return max(_known_forms(), key=lambda form: sum(form.parse(text) is not None for text in texts[:MOST_TRIED]))
    for other in forms[1:]:
        for text in texts:
            day, other_day = forms[0].parse(text), other.parse(text)
            if day != other_day:
                raise DataError(
                    f"{place(text)}, which may be {day} or {other_day}, and no other row decides it; set "
                    f"data.date_format to '{forms[0].name}' or '{other.name}'"
                )
    return forms[0]


def _why_not(form: _Form, date_format: str | None, *, fits_others: bool) -> str:
    if date_format is not None:
        return f"which is no date of data.date_format '{date_format}'"
    if fits_others:
        return f"which is not written as other dates are, {form.name}; write all alike, or set data.date_format"
    return f"which is no date; write {ISO}, or set data.date_format to how dates are written, such as '%d.%m.%Y'"


@cache
def _known_forms() -> tuple[_Form, ...]:
    return (_Form(ISO, _iso), *map(_form, _CANDIDATES), _Form("excel", _usual_excel), _Form("unix", _usual_unix))


@cache
def _form(date_format: str) -> _Form:
    """Returns what reads a format.

    Raises:
        ValueError: it has a directive that is not known, or no year.
    """
    if date_format in NAMED_FORMATS:
        return _Form(date_format, _excel if date_format == "excel" else _unix)
    directives = _DIRECTIVES
    if re.search("%[a-zA-Z]%[a-zA-Z]", date_format):  # nothing else says where one ends
        directives = directives | {"m": r"(?P<month>\d\d)", "d": r"(?P<day>\d\d)"}
    pattern, seen = "", set()
    for directive, blank, literal in re.findall(r"%(.)|(\s+)|([^%\s]+|%$)", date_format, re.DOTALL):
        if literal == "%" or (directive and (directive not in _DIRECTIVES or directive in seen)):
            known = ", ".join(f"%{name}" for name in _DIRECTIVES)
            raise ValueError(f"is '{date_format}'; allowed, once each, are {known}, and 'excel' or 'unix'")
        seen.add(directive)
        pattern += directives[directive] if directive else r"\s+" if blank else re.escape(literal)
    if not seen & {"Y", "y"} or not seen & {"m", "b", "B"}:
        raise ValueError(f"is '{date_format}'; it needs a year (%Y or %y) and a month (%m or %b), such as '%d.%m.%Y'")
    try:
        matches = re.compile(pattern + _TIME, re.IGNORECASE | re.ASCII).fullmatch
    except re.error:  # two directives of the same meaning
        raise ValueError(f"is '{date_format}'; it gives day, month or year twice") from None

    def parse(text: str) -> date | None:
        match = matches(text)
        return None if match is None else _date_of(match.groupdict())

    return _Form(date_format, parse)


def _date_of(parts: dict[str, str | None]) -> date | None:
    """Returns a day from the parts of a match; None if there is no such day. Without a day, it is the first."""
    year, short_year, name = parts.get("year"), parts.get("short_year"), parts.get("name")
    number = int(year or short_year or 0)
    if year is None:
        number += 1900 if number >= 69 else 2000  # as POSIX has it
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts["month"] or 0)
    try:
        return date(number, month, int(parts.get("day") or 1))
    except ValueError:
        return None


def _iso(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None


def _excel(text: str) -> date | None:
    """Reads the number of days since the end of 1899, with the time of the day as its fraction."""
    try:
        return _EXCEL_DAY_0 + timedelta(days=int(float(text)))
    except (ValueError, OverflowError):
        return None


def _usual_excel(text: str) -> date | None:
    try:
        return _excel(text) if int(float(text)) in _EXCEL_DAYS else None
    except (ValueError, OverflowError):
        return None


def _unix(text: str) -> date | None:
    """Reads seconds or milliseconds since 1970, in UTC."""
    try:
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= _MOST_SECONDS else seconds, tz=UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def _usual_unix(text: str) -> date | None:
    """Reads what has ten digits, or thirteen: 2001 to 2286."""
    whole = text.partition(".")[0]
    return _unix(text) if whole.isascii() and whole.isdigit() and len(whole) in (10, 13) else None
