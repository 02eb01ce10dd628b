"""Files of the formats that Textune reads, each also as .gz, as tables that know where each row is."""

from __future__ import annotations

from collections.abc import Collection

from textune.data.locate import file_name
from textune.data.reading import Reading
from textune.data.tables.lines import lines_as_table, read_lines
from textune.data.tables.table import Table, shortest_floats, whole_characters
from textune.errors import DataError
from textune.storage import redact

__all__ = ["Table", "lines_as_table", "read_table", "shortest_floats", "whole_characters"]

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}


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
        from textune.data.tables.parquet import read_parquet

        return read_parquet(place, wanted, reading)
    if format_ == "jsonl":
        from textune.data.tables.json_lines import read_json_lines

        return read_json_lines(place, wanted, reading)
    if format_ == "lines":
        return read_lines(place, reading)
    from textune.data.tables.delimited import read_delimited

    return read_delimited(place, wanted, reading, reading.delimiter or ("\t" if format_ == "tsv" else ","))


def _format(place: str) -> str:
    path = file_name(place).removesuffix(".gz")
    for suffix, format_ in _FORMATS.items():
        if path.endswith(suffix):
            return format_
    allowed = ", ".join(_FORMATS)
    raise DataError(f"{redact(place)} has an ending that is not known; allowed: {allowed}, each also followed by .gz")
