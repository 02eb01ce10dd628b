"""xlsx files as tables: one sheet, read row by row."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textune.data.content import local_or_bytes, too_large
from textune.data.reading import Reading
from textune.data.tables.header import Header
from textune.data.tables.table import Table, replace_halves
from textune.errors import DataError, MissingDependencyError, suggestion
from textune.storage import redact

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

__all__ = ["read_workbook", "sheet_names"]

MOST_ROWS = 2**20
"""What a sheet may have by its format."""


def read_workbook(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads the sheet of an xlsx file that is named, or the only visible one that holds anything.

    Raises:
        DataError: it is damaged, empty, holds more than it may, or has several sheets and none is named.
    """
    name = redact(place)
    with _opened(place, reading) as sheets:
        return _table(name, _sheet(name, sheets, reading), wanted, reading)


def sheet_names(place: str, reading: Reading) -> list[str]:
    """Returns the names of the visible sheets that hold anything."""
    with _opened(place, reading) as sheets:
        return [sheet.title for sheet in _holding(redact(place), sheets)]


@contextmanager
def _opened(place: str, reading: Reading) -> Iterator[list[ReadOnlyWorksheet]]:
    """Opens a file and gives its sheets; what is raised while it is open is a sentence, too."""
    name = redact(place)
    try:
        import openpyxl
    except ImportError as error:
        raise MissingDependencyError(f"reading {name}", "openpyxl", "excel") from error
    content = local_or_bytes(place, reading)
    try:
        _check_size(name, content, reading)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and checks that it does not know
            book = openpyxl.load_workbook(content, read_only=True, data_only=True, keep_links=False)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what a file says of its size may be wrong
            try:
                yield book.worksheets
            finally:
                book.close()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # whatever the library and XML parsers raise of a damaged file
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{name} is damaged, or is not an xlsx file: {reason}") from error


def _check_size(name: str, content: str | io.BytesIO, reading: Reading) -> None:
    """Refuses files that decompress to more than is allowed: of no part more is read than its entry says."""
    with zipfile.ZipFile(content) as archive:
        if sum(member.file_size for member in archive.infolist()) > reading.max_bytes:
            raise too_large(name, reading, "bytes once it is decompressed")


def _sheet(name: str, sheets: list[ReadOnlyWorksheet], reading: Reading) -> ReadOnlyWorksheet:
    titles = [sheet.title for sheet in sheets]
    if reading.sheet in titles:
        return sheets[titles.index(reading.sheet)]
    if reading.sheet is not None and reading.way("sheet", reading.sheet):
        hint = suggestion(reading.sheet, titles) or f"; it has {', '.join(titles)}"
        raise DataError(f"{name} has no sheet '{reading.sheet}'{hint}")
    holding = _holding(name, sheets)
    if not holding:
        raise DataError(f"{name} is empty")
    if len(holding) > 1:
        names = ", ".join(f"'{sheet.title}'" for sheet in holding)
        way = reading.way("sheet", f"one of: {names}") or f"save one of them as a file of its own: {names}"
        raise DataError(f"{name} has several sheets; {way}")
    return holding[0]


def _holding(name: str, sheets: list[ReadOnlyWorksheet]) -> list[ReadOnlyWorksheet]:
    return [sheet for sheet in sheets if sheet.sheet_state == "visible" and any(_rows(name, sheet))]


def _rows(name: str, sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yields the rows that hold anything, with their numbers."""
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            raise DataError(f"{name} is damaged: it says that a sheet has more than {MOST_ROWS:,} rows")
        if any(value is not None and value != "" for value in row):
            yield number, row


def _table(name: str, sheet: ReadOnlyWorksheet, wanted: Collection[str] | None, reading: Reading) -> Table:
    header: Header | None = None
    kept: list[tuple[int, list[Any]]] = []
    numbers: list[int] = []
    first = 0
    num_bytes = 0
    for number, row in _rows(name, sheet):
        if header is None:
            header = Header(name, ["" if value is None else str(value) for value in row], reading)
            kept = [(index, []) for index, column in enumerate(header.names) if wanted is None or column in wanted]
            first = number + reading.header
            if reading.header:
                continue
        for index, values in kept:
            value = row[index] if index < len(row) else None
            num_bytes += len(value) if isinstance(value, str) else 8
            values.append(value)
        if num_bytes > reading.max_bytes:
            raise too_large(name, reading, "bytes of values")
        numbers.append(number)
    if header is None:
        raise DataError(f"{name} is empty")
    if not numbers:
        raise DataError(f"{name} has a header and no rows")
    columns = {header.names[index]: values for index, values in kept}
    replaced = replace_halves(columns, reading)
    places = [number - first for number in numbers]  # pandas counts blank rows of a sheet
    return Table(name, header.names, columns, "row", numbers, replaced, header.repeated, places=places)
