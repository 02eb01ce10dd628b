"""How a file is written that nobody has said anything of: its encoding, format, delimiter, quotes, header and sheet."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from textune.data import CommandReading, Format, Reading, format_of, is_folder, lines, look_at, read_table, text_files
from textune.data import sheets as sheets_of
from textune.errors import DataError

__all__ = ["Dialect", "dialect"]

SAMPLE_ROWS = 500
DELIMITERS = (",", "\t", ";", "|")
LIKE_A_LABEL = 0.01
"""Share of the rows that have the cell of the first row in its column, where that is no name but a label."""

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


@dataclass(frozen=True)
class Dialect:
    """Settings of `data` by which a file can be read, where they are not the default, and what a user should know."""

    settings: Mapping[str, object]
    notes: tuple[str, ...] = ()


def dialect(place: str, given: Mapping[str, str | None], label: str | None) -> Dialect:
    """Looks at a file.

    Args:
        place: local file, folder or URL.
        given: the settings that the user says, which are not looked for; None is not given.
        label: the column of the labels, as the user names it.

    Raises:
        DataError: the file cannot be read in any way; says so of the likeliest.
    """
    reading = CommandReading.of(Reading(), given)
    settings = {name: getattr(reading, name) for name, value in given.items() if value is not None}
    notes: list[str] = []
    told = None if is_folder(place) else format_of(place)
    if told not in ("parquet", "xlsx") and "encoding" not in settings:
        notes += _encoding(place, reading, settings)
    if is_folder(place):
        settings |= _folder(place)
    elif told == "xlsx":
        notes += _workbook(place, _with(reading, settings), settings, label)
    elif told in ("csv", "tsv", "lines", None):
        notes += _delimited(place, _with(reading, settings), settings, told, label)
    return Dialect(settings, tuple(notes))


def _with(reading: CommandReading, settings: Mapping[str, object]) -> CommandReading:
    return reading.model_copy(update=dict(settings))


def _encoding(place: str, reading: CommandReading, settings: dict[str, object]) -> list[str]:
    """Notes the encoding of text files, where it is not UTF-8."""
    files = [str(Path(place, file)) for file in text_files(place)] if is_folder(place) else [place]
    seen = look_at(files, reading)
    best, *others = seen.encodings
    notes = []
    if best != "utf-8":
        settings["encoding"] = best
        also = f", and might be {' or '.join(others[:3])}" if others else ""
        notes.append(f"The encoding seems to be {best}{also}; if texts look wrong, set another with --encoding.")
    if seen.num_bad and "encoding_errors" not in settings:
        settings["encoding_errors"] = "replace"
        notes.append(
            f"{seen.num_bad:,} of {seen.num_lines:,} lines contain bytes that are not {best}; U+FFFD replaces them."
        )
    return notes


def _folder(place: str) -> dict[str, object]:
    """A folder whose files are in no folder of a label has a file per label."""
    try:
        read_table(place, {"label"}, Reading(encoding_errors="replace"))
    except DataError:
        return {"format": "lines"}
    return {}


def _workbook(place: str, reading: CommandReading, settings: dict[str, object], label: str | None) -> list[str]:
    """Chooses the sheet that has the label, and sees whether its first row is a header."""
    titles, notes = sheets_of(place, reading), []
    if len(titles) > 1:
        first = {title: _cells(place, _with(reading, {"sheet": title}))[0] for title in titles}
        settings["sheet"] = next((title for title, cells in first.items() if label in cells), titles[0])
        others = ", ".join(f"'{title}'" for title in titles if title != settings["sheet"])
        notes.append(f"Several sheets contain data; '{settings['sheet']}' is read, not {others}.")
    return notes + _header(_cells(place, _with(reading, settings)), settings, label)


def _cells(place: str, reading: CommandReading) -> list[list[str]]:
    """Returns the first rows of a sheet."""
    columns = read_table(place, None, _with(reading, {"header": False})).columns.values()
    rows = islice(zip(*columns, strict=True), SAMPLE_ROWS + 1)
    return [["" if cell is None else str(cell).strip() for cell in row] for row in rows]


def _delimited(
    place: str, reading: CommandReading, settings: dict[str, object], told: Format | None, label: str | None
) -> list[str]:
    """Notes what separates columns, whether quotes are text, and whether the first row is a header."""
    usual = "\t" if told == "tsv" else ","
    delimiter = reading.delimiter or _delimiter(place, reading, usual)
    if told in ("lines", None):
        settings["format"] = "tsv" if delimiter == "\t" else "csv"
        usual = "\t" if delimiter == "\t" else ","
    if delimiter != usual:
        settings["delimiter"] = delimiter
    notes = []
    if not _quotes(place, _with(reading, {**settings, "header": False})):
        settings["quotes"] = False
        notes.append("Double quotes are read as text, because they are not balanced as CSV quotes.")
    rows = list(_sample(place, reading, delimiter, quotes="quotes" not in settings))
    return notes + _header(rows, settings, label)


def _delimiter(place: str, reading: CommandReading, usual: str) -> str:
    """Returns what divides most rows into the same number of columns, several; the usual one if nothing does."""
    scores = {}
    for delimiter in (usual, *(each for each in DELIMITERS if each != usual)):
        shares = [0.0]
        for quotes in (True, False):
            counts = Counter(len(row) for row in _sample(place, reading, delimiter, quotes=quotes))
            several = {count: rows for count, rows in counts.items() if count > 1}
            shares.append(max(several.values(), default=0) / max(1, counts.total()))
        scores[delimiter] = max(shares)
    return max(scores, key=lambda delimiter: scores[delimiter])


def _sample(place: str, reading: CommandReading, delimiter: str, *, quotes: bool) -> Iterator[list[str]]:
    """Yields the first rows that are not blank, also of a file that is not well-formed."""
    reader = csv.reader(
        lines(place, reading, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    )
    try:
        yield from islice((row for row in reader if "".join(row).strip()), SAMPLE_ROWS + 1)
    except csv.Error:
        return


def _quotes(place: str, reading: CommandReading) -> bool:
    """Whether fields may be in double quotes: not where every line is a row without them, and they hide some."""
    try:
        plain = len(read_table(place, (), _with(reading, {"quotes": False})))
    except DataError:
        return True
    try:
        return len(read_table(place, (), reading)) == plain
    except DataError:
        return False


def _header(rows: Sequence[Sequence[str]], settings: dict[str, object], label: str | None) -> list[str]:
    if not rows:
        return []
    first, others = [cell.strip() for cell in rows[0]], rows[1:]
    is_named = label in first and not str(label).isdecimal()  # a number may be that of a column
    if is_named or not _is_data(first, [row for row in others if [cell.strip() for cell in row] != first]):
        return []
    settings["header"] = False
    shown = ", ".join(f"{number}: '{cell[:30]}'" for number, cell in enumerate(first[:8], start=1))
    return [f"There seems to be no header, so the first row is read as data ({shown})."]


def _is_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first row looks like those below it: a cell recurs as labels do, or all above numbers are numbers."""
    if first == [str(number) for number in range(len(first))]:  # as pandas names columns
        return False
    above_numbers = []
    for place, cell in enumerate(first):
        column = [row[place].strip() for row in rows if place < len(row)]
        filled = [each for each in column if each]
        if not cell or not filled:
            continue
        if column.count(cell) >= max(2, LIKE_A_LABEL * len(column)) and len(set(filled)) <= max(2, len(filled) / 2):
            return True
        if all(_NUMBER.fullmatch(each) for each in filled):
            above_numbers.append(cell)
    return bool(above_numbers) and all(_NUMBER.fullmatch(cell) for cell in above_numbers)
