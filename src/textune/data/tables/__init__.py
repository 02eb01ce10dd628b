"""Files of the formats that Textune reads and folders of texts, as tables that know where each row is."""

from __future__ import annotations

from collections.abc import Collection

from textune.data.compression import NAMES
from textune.data.content import inner_name
from textune.data.reading import Format, Reading, either
from textune.data.tables.folder import is_folder, read_folder, text_files
from textune.data.tables.lines import lines_as_table, read_lines
from textune.data.tables.table import Table, shortest_floats, whole_characters
from textune.errors import DataError
from textune.storage import redact

__all__ = [
    "FORMATS",
    "Table",
    "format_of",
    "is_folder",
    "lines_as_table",
    "read_table",
    "sheets",
    "shortest_floats",
    "text_files",
    "whole_characters",
]

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
    ".xlsx": "xlsx",
}
"""Which format an ending tells."""


def read_table(place: str, wanted: Collection[str] | None = None, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Reads a local file or URL, or a local folder of texts; a file's format is told by its name.

    Args:
        place: as `locate` gives it.
        wanted: the columns to keep where the file has them; None keeps all.
        reading: format where the name does not tell it, encoding, limits, and what separates columns.

    Raises:
        DataError: the file is missing, empty, damaged, too large, or of a format that is not known; names the line.
    """
    from textune.data.tables.stored import is_stored, read_stored

    if is_stored(place):
        return read_stored(place, wanted, reading)
    if is_folder(place):
        return read_folder(place, wanted, reading)
    match _format(place, reading):
        case "parquet":
            from textune.data.tables.parquet import read_parquet

            return read_parquet(place, wanted, reading)
        case "xlsx":
            from textune.data.tables.workbook import read_workbook

            return read_workbook(place, wanted, reading)
        case "jsonl":
            from textune.data.tables.json_lines import read_json_lines

            return read_json_lines(place, wanted, reading)
        case "json":
            from textune.data.tables.json_document import read_json

            return read_json(place, wanted, reading)
        case "lines":
            return read_lines(place, reading)
        case format_:
            from textune.data.tables.delimited import read_delimited

            return read_delimited(place, wanted, reading, reading.delimiter or ("\t" if format_ == "tsv" else ","))


def format_of(place: str) -> Format | None:
    """Returns the format that the ending of a file tells, None if it tells none."""
    name = inner_name(place)
    return next((format_ for suffix, format_ in FORMATS.items() if name.endswith(suffix)), None)


def sheets(place: str, reading: Reading) -> list[str]:
    """Returns the names of the sheets of an xlsx file that hold anything."""
    from textune.data.tables.workbook import sheet_names

    return sheet_names(place, reading)


def _format(place: str, reading: Reading) -> Format:
    found = reading.format_of(format_of(place))
    if found is None:
        ways = either("rename it", reading.way("format", "what it is"))
        raise DataError(
            f"{redact(place)} has an ending that is not known; allowed: {', '.join(FORMATS)}, each also followed by "
            f"{', '.join(NAMES)}; {ways}"
        )
    return found
