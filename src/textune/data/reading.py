"""How files are read: what a study says of it, its model keeps, and options of the command line change."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from textune.config.base import Config
from textune.errors import DataError, quoted

__all__ = ["MAX_BYTES", "CommandReading", "EncodingErrors", "Format", "Reading", "either"]

MAX_BYTES = 8 * 2**30
"""The default of `data.max_bytes`."""

EncodingErrors = Literal["strict", "replace"]
Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "lines"]

OPTIONS = {
    "encoding": "--encoding",
    "encoding_errors": "--encoding-errors",
    "delimiter": "--delimiter",
    "text": "--text",
    "label": "--label",
}
"""Settings of data that the command line has as options."""

PYTHON_ONLY = {"idna", "punycode", "unicode_escape", "raw-unicode-escape", "unicode-escape", "raw_unicode_escape"}
"""Encodings that no file has."""


class Reading(Config):
    """How files are read, as a study says it. Its model keeps it, so that predictions read files as the study did."""

    format: Format | None = Field(
        None, description="'lines': one text a line; null: as the file's ending says, and of a folder one text a file"
    )
    encoding: str = Field("utf-8", description="encoding of text files")
    encoding_errors: EncodingErrors = Field(
        "strict", description="'strict' refuses bytes that are no text; 'replace' puts U+FFFD for them and counts rows"
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="what separates columns; null: comma in csv, tab in tsv"
    )
    header: bool = Field(True, description="the first row of csv, tsv and xlsx names the columns; false: it is data")
    columns: tuple[str, ...] | None = Field(
        None,
        strict=False,
        min_length=1,
        description="names of the columns of csv, tsv and xlsx; null: those of the header, or column1, column2, …",
    )
    sheet: str | None = Field(None, description="sheet of an xlsx file; null: the only one that holds anything")
    quotes: bool = Field(True, description="csv and tsv fields may stand in double quotes; false: quotes are text")
    max_bytes: int = Field(MAX_BYTES, ge=1, description="what a file may hold, decompressed; guards the memory")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            known = codecs.lookup(encoding).name not in PYTHON_ONLY and " ".encode(encoding)
        except (LookupError, ValueError):
            known = False
        if not known:
            raise ValueError(f"'{encoding}' is no text encoding; utf-8, cp1252, latin-1 and utf-16 are")
        return encoding

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if columns is not None and (len(set(columns)) < len(columns) or not all(columns)):
            raise ValueError("give each column a name of its own")
        return columns

    def format_of(self, told: Format | None) -> Format | None:
        """Returns the format of a file, where its ending tells one or none."""
        return self.format or told

    def way(self, setting: str, value: object) -> str:
        """Returns how a user changes a setting, for messages; an empty text where there is no way."""
        return f"set data.{setting} to {value}"


class CommandReading(Reading):
    """How files are read that the command line names, whose options change some of the settings."""

    @classmethod
    def of(cls, reading: Reading, options: Mapping[str, str | None]) -> CommandReading:
        """Returns a reading with the options that are given in place of its settings.

        Raises:
            DataError: an option has a value that it cannot have.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "delimiter" in given:
            given["delimiter"] = _character(given["delimiter"])
        try:
            return cls.model_validate({**reading.model_dump(), **given})
        except ValidationError as error:
            wrong = error.errors()[0]
            reason = wrong["msg"].removeprefix("Value error, ")
            raise DataError(f"{OPTIONS[str(wrong['loc'][0])]}: {reason}") from error

    def format_of(self, told: Format | None) -> Format | None:
        """An ending that tells the format counts: the study's was said of other files."""
        return told if told not in (None, "lines") else self.format or told

    def way(self, setting: str, value: object) -> str:
        return f"set {OPTIONS[setting]} to {value}" if setting in OPTIONS else ""


def _character(delimiter: str) -> str:
    character = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(character) != 1 or character in '\r\n"':
        raise DataError(f"--delimiter is {quoted(delimiter)}; give one character, such as ';', or the word tab")
    return character


def either(*ways: str) -> str:
    """Returns what a user may do, leaving out empty ways."""
    return ", or ".join(way for way in ways if way)
