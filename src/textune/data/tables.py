"""csv, tsv, jsonl and parquet files, each also as .gz, as columns that know where each row stands."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from textune.data.locate import is_url, read_bytes
from textune.errors import DataError, MissingDependencyError
from textune.storage import redact

__all__ = ["Table", "read_table"]

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LARGEST_FIELD = 2**31 - 1  # the csv module's limit is a C long, which has 32 bits on Windows


@dataclass(frozen=True)
class Table:
    """One file in memory. Row i stands at `unit` (line or row) `numbers[i]` of the file `name`, counted from 1.

    `names` are all columns of the file; `columns` holds those that were asked for.
    """

    name: str
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    unit: str
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        return f"{self.name}, {self.unit} {self.numbers[row]}"


def read_table(
    place: str,
    wanted: Collection[str] | None = None,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quotes: bool = True,
) -> Table:
    """Reads a local file or URL; its format is told by its name.

    Args:
        place: as `locate` gives it.
        wanted: the columns to keep where the file has them; None keeps all.
        encoding: of text formats.
        delimiter: of csv and tsv; None is ',' and tab.
        quotes: whether csv and tsv fields may stand in double quotes.

    Raises:
        DataError: the file is missing, empty, damaged, or of a format that is not known; names the line.
    """
    name = redact(place)
    format_, zipped = _format(place)
    content = read_bytes(place)
    if zipped:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} is damaged, or is no gzip file: {error}") from error
    if not content.strip():
        raise DataError(f"{name} is empty")
    if format_ == "parquet":
        return _read_parquet(name, content, wanted)
    text = _decode(name, content, encoding)
    if format_ == "jsonl":
        return _read_jsonl(name, text, wanted)
    separator = delimiter or ("\t" if format_ == "tsv" else ",")
    return _read_csv(name, text, wanted, separator, quotes)


def _format(place: str) -> tuple[str, bool]:
    path = (urlsplit(place).path if is_url(place) else place).lower()
    zipped = path.endswith(".gz")
    path = path.removesuffix(".gz")
    for suffix, format_ in _FORMATS.items():
        if path.endswith(suffix):
            return format_, zipped
    allowed = ", ".join(_FORMATS)
    raise DataError(f"{redact(place)} has an ending that is not known; allowed: {allowed}, each also followed by .gz")


def _decode(name: str, content: bytes, encoding: str) -> str:
    try:
        return content.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        guess = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
        raise DataError(
            f"{name}, line {line} is not {encoding}: byte 0x{content[error.start]:02x} at offset {error.start}; "
            f"name the file's encoding with data.encoding, for instance {guess}"
        ) from error


def _read_csv(name: str, text: str, wanted: Collection[str] | None, delimiter: str, quotes: bool) -> Table:
    csv.field_size_limit(_LARGEST_FIELD)
    # newline='' and the csv module's own line ends: a U+0085 inside a text ends no line.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    rows: list[list[str]] = []
    numbers: list[int] = []
    names: tuple[str, ...] | None = None
    line = 1
    try:
        for row in reader:
            if not row:
                pass  # a blank line
            elif names is None:
                names = _unique_names(name, [column.strip() for column in row])
            elif len(row) != len(names):
                raise DataError(
                    f"{name}, line {line} has {len(row)} fields where the header has {len(names)}; "
                    f"put texts that hold a {_spoken(delimiter)} or a line end into double quotes"
                )
            else:
                rows.append(row)
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "double a quote that belongs to a text, or set data.quotes to false" if quotes else "mend the line"
        raise DataError(f"{name}, line {line} is not well-formed: {error}; {hint}") from error
    if names is None or not rows:
        raise DataError(f"{name} has a header and no rows")
    columns = {
        column: [row[index] for row in rows] for index, column in enumerate(names) if wanted is None or column in wanted
    }
    return Table(name, names, columns, "line", numbers)


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab", ";": "semicolon"}.get(delimiter, f"'{delimiter}'")


def _unique_names(name: str, header: list[str]) -> tuple[str, ...]:
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"{name} has two columns named '{twice}'; give each column a name of its own")
    return tuple(header)


def _read_jsonl(name: str, text: str, wanted: Collection[str] | None) -> Table:
    records = []
    numbers = []
    for number, record in _json_lines(name, text):
        records.append(record)
        numbers.append(number)
    names = tuple(dict.fromkeys(key for record in records for key in record))
    columns = {key: [record.get(key) for record in records] for key in names if wanted is None or key in wanted}
    return Table(name, names, columns, "line", numbers)


def _json_lines(name: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
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


def _read_parquet(name: str, content: bytes, wanted: Collection[str] | None) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError(f"reading {name}", "pyarrow", "parquet") from error
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        names = _unique_names(name, list(file.schema_arrow.names))
        kept = [column for column in names if wanted is None or column in wanted]
        table = file.read(columns=kept)
        columns = {column: table.column(column).to_pylist() for column in kept}
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} is damaged, or is no parquet file: {error}") from error
    if not file.metadata.num_rows:
        raise DataError(f"{name} has no rows")
    return Table(name, names, columns, "row", range(1, file.metadata.num_rows + 1))
