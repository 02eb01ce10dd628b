"""csv, tsv, jsonl and parquet files, each also as .gz, as columns that know where each row stands."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textune.data.locate import file_name
from textune.data.reading import LONGEST_LINE, Reading, lines
from textune.errors import DataError
from textune.storage import redact

__all__ = ["Table", "has_half_a_character", "read_table", "replace_halves", "unique_names"]

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_SURROGATES = re.compile("[\ud800-\udfff]")

MOST_COLUMNS = 10_000
"""What a table may have; rows are read into as many lists."""


@dataclass(frozen=True)
class Table:
    """One file in memory. Row i stands at `unit` (line or row) `numbers[i]` of the file `name`, counted from 1.

    `names` are all columns of the file; `columns` holds those that were asked for. `replaced` are the rows in which
    something that is no text became U+FFFD.
    """

    name: str
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    unit: str
    numbers: Sequence[int]
    replaced: frozenset[int] = field(default=frozenset())

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def is_undivided(self) -> bool:
        """Whether its only column looks like several, as where another character separates them."""
        return len(self.names) == 1 and any(delimiter in self.names[0] for delimiter in ",;\t|")

    def where(self, row: int) -> str:
        return f"{self.name}, {self.unit} {self.numbers[row]}"


def read_table(place: str, wanted: Collection[str] | None = None, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Reads a local file or URL; its format is told by its name.

    Args:
        place: as `locate` gives it.
        wanted: the columns to keep where the file has them; None keeps all.
        reading: encoding, limits, and what separates columns.

    Raises:
        DataError: the file is missing, empty, damaged, too large, or of a format that is not known; names the line.
    """
    format_ = _format(place)
    if format_ == "parquet":
        from textune.data.parquet import read_parquet

        return read_parquet(place, wanted, reading)
    if format_ == "jsonl":
        return _read_jsonl(place, wanted, reading)
    return _read_csv(place, wanted, reading, reading.delimiter or ("\t" if format_ == "tsv" else ","))


def _format(place: str) -> str:
    path = file_name(place).removesuffix(".gz")
    for suffix, format_ in _FORMATS.items():
        if path.endswith(suffix):
            return format_
    allowed = ", ".join(_FORMATS)
    raise DataError(f"{redact(place)} has an ending that is not known; allowed: {allowed}, each also followed by .gz")


def _read_csv(place: str, wanted: Collection[str] | None, reading: Reading, delimiter: str) -> Table:
    name = redact(place)
    csv.field_size_limit(LONGEST_LINE)
    # The csv module's own line ends: a U+0085 inside a text ends no line.
    reader = csv.reader(
        lines(place, reading, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if reading.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    names: tuple[str, ...] | None = None
    kept: list[tuple[int, list[str]]] = []
    numbers: list[int] = []
    line = 1
    try:
        for row in reader:
            if not row or (names is None and not "".join(row).strip()):
                pass  # a blank line
            elif names is None:
                names = _header(name, row, reading)
                kept = [(index, []) for index, column in enumerate(names) if wanted is None or column in wanted]
            elif len(row) != len(names):
                raise DataError(
                    f"{name}, line {line} has {len(row)} fields where the header has {len(names)}; "
                    f"put texts that hold a {_spoken(delimiter)} or a line end into double quotes"
                )
            else:
                for index, values in kept:
                    values.append(row[index])
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line} is not well-formed: {error}; {_hint(error, reading)}") from error
    if names is None:
        raise DataError(f"{name} is empty")
    if not numbers:
        raise DataError(f"{name} has a header and no rows")
    columns: dict[str, list[Any]] = {names[index]: values for index, values in kept}
    return Table(name, names, columns, "line", numbers, replace_halves(columns, reading))


def _header(name: str, row: Sequence[str], reading: Reading) -> tuple[str, ...]:
    if any("\0" in column for column in row):
        raise DataError(
            f"{name} has NUL bytes in its header; it is no text file, or its encoding is not {reading.encoding} "
            "but another, such as utf-16"
        )
    return unique_names(name, [_SURROGATES.sub("\ufffd", column.strip()) for column in row])


def _hint(error: csv.Error, reading: Reading) -> str:
    if not reading.quotes:
        return "mend the line"
    if "field limit" in str(error):
        return "no text is that long; is the quote closed that opens it?"
    return "double a quote that belongs to a text" + (", or set data.quotes to false" if reading.in_study else "")


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab", ";": "semicolon"}.get(delimiter, f"'{delimiter}'")


def unique_names(name: str, header: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the columns.

    Raises:
        DataError: two are the same, or they are too many.
    """
    _refuse_many(name, len(header))
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise DataError(f"{name} has two columns named '{column}'; give each column a name of its own")
        seen.add(column)
    return tuple(header)


def _refuse_many(name: str, num_columns: int) -> None:
    if num_columns > MOST_COLUMNS:
        raise DataError(f"{name} has more than {MOST_COLUMNS:,} columns; is it a table of one text a row?")


def _read_jsonl(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    name = redact(place)
    names: dict[str, None] = {}
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, record in _json_lines(name, place, reading):
        if not record.keys() <= names.keys():
            names.update(dict.fromkeys(record))
            for key in record:
                if has_half_a_character(key):
                    raise DataError(
                        f"{name}, line {number} names a column with half of a surrogate pair; mend the line"
                    )
            _refuse_many(name, len(names))
        records.append(record if wanted is None else {key: record[key] for key in wanted if key in record})
        numbers.append(number)
    if not records:
        raise DataError(f"{name} is empty")
    columns = {key: [record.get(key) for record in records] for key in names if wanted is None or key in wanted}
    return Table(name, tuple(names), columns, "line", numbers, replace_halves(columns, reading))


def _json_lines(name: str, place: str, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines(place, reading, newline="\n"), start=1):
        if line.isspace():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}, line {number} is not JSON: {error}; write one object per line") from error
        if not isinstance(record, dict):
            raise DataError(
                f'{name}, line {number} is not an object; write one object per line, such as {{"text": "…"}}'
            )
        yield number, record


def replace_halves(columns: Mapping[str, list[Any]], reading: Reading) -> frozenset[int]:
    """Puts U+FFFD for what is no text, and returns the rows where it did."""
    replaced = set()
    if reading.encoding_errors == "replace":
        for values in columns.values():
            for row, value in enumerate(values):
                if isinstance(value, str) and has_half_a_character(value):
                    values[row] = _SURROGATES.sub("\ufffd", value)
                    replaced.add(row)
    return frozenset(replaced)


def has_half_a_character(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which is no character and cannot be written."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
