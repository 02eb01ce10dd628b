"""Files and URLs as bytes and lines of text, never more of them than a study allows. Credentials stay in here."""

from __future__ import annotations

import codecs
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import unquote

from pydantic import Field, ValidationError, field_validator

from textune.config.base import Config
from textune.data.compression import DAMAGE, NAMES, compression, damages, decompressed, only_member
from textune.data.locate import file_name, is_url
from textune.errors import DataError, quoted
from textune.storage import redact

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    Opened = Callable[[], AbstractContextManager[io.BufferedReader["_Bounded"]]]

__all__ = [
    "LONGEST_LINE",
    "MAX_BYTES",
    "CommandReading",
    "EncodingErrors",
    "Format",
    "Reading",
    "either",
    "inner_name",
    "lines",
    "lines_of",
    "local_or_bytes",
    "read_bytes",
    "read_text",
    "too_large",
]

MAX_BYTES = 8 * 2**30
"""The default of `data.max_bytes`."""

LONGEST_LINE = 2**26
"""Characters. One text of a table is never as long: a quote was not closed, or the file is no text."""

MARK = "\udcff"
"""What undecodable bytes become until they are counted: half of a surrogate pair, which no text holds."""

BUFFER = 2**20
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


def read_bytes(place: str, reading: Reading) -> bytes:
    """Returns all of a local file or URL, decompressed where its name ends in .gz.

    Raises:
        DataError: it cannot be read, or is larger than allowed; credentials are not part of the sentence.
    """
    with _opened(place, reading) as stream:
        return stream.read()


def local_or_bytes(place: str, reading: Reading) -> str | io.BytesIO:
    """Returns a plain local file by its path, and the content of a URL or of a compressed file."""
    return io.BytesIO(read_bytes(place, reading)) if is_url(place) or compression(place) else place


def inner_name(place: str) -> str:
    """Returns what tells of which format a file is once it is decompressed: its path, or the name in an archive.

    Raises:
        DataError: it is an archive that cannot be read, or has not just one file.
    """
    ending = compression(place)
    if ending != ".zip":
        return file_name(place).removesuffix(ending)
    with _source(place) as source:
        try:
            return only_member(zipfile.ZipFile(source)).filename.lower()
        except DataError as error:
            raise DataError(f"{redact(place)} {error}") from None
        except DAMAGE as error:
            raise _damaged(place, error) from error


def read_text(place: str, reading: Reading) -> str:
    """Returns all of a text file, decoded as `lines` does.

    Raises:
        DataError: it cannot be read or decoded, or is larger than allowed.
    """
    return "".join(_decoded(redact(place), lambda: _opened(place, reading), reading, newline=None))


def lines(place: str, reading: Reading, newline: str) -> Iterator[str]:
    """Yields the lines of a text file with their ends; bytes that are no text become `MARK` if they may be replaced.

    Args:
        place: local file or URL.
        reading: how it is read.
        newline: what ends a line; '': a line feed, a carriage return, or both.

    Raises:
        DataError: it cannot be read or decoded, or is larger than allowed.
    """
    yield from _decoded(redact(place), lambda: _opened(place, reading), reading, newline)


def lines_of(content: bytes, name: str, reading: Reading, newline: str) -> Iterator[str]:
    """Yields the lines of bytes in memory, as `lines` those of a file."""

    @contextmanager
    def opened() -> Iterator[io.BufferedReader[_Bounded]]:
        with io.BufferedReader(_Bounded(io.BytesIO(content), name, reading, zipped=False), BUFFER) as stream:
            yield stream

    yield from _decoded(name, opened, reading, newline)


def _decoded(name: str, opened: Opened, reading: Reading, newline: str | None) -> Iterator[str]:
    """Yields lines, or pieces of the whole text where nothing is said to end a line."""
    errors = "strict" if reading.encoding_errors == "strict" else "textune-mark"
    with (
        opened() as stream,
        io.TextIOWrapper(stream, _with_byte_order_mark(reading.encoding), errors, newline=newline) as text,
    ):
        number = 0
        try:
            while line := text.read(BUFFER) if newline is None else text.readline(LONGEST_LINE + 1):
                number += 1
                if newline is not None and len(line) > LONGEST_LINE:
                    raise DataError(
                        f"{name}, line {number} is longer than {LONGEST_LINE:,} characters, too long for a text; "
                        "end its lines with line feeds, or check that it is a text file"
                    )
                yield line
        except UnicodeDecodeError as error:
            raise _not_decodable(name, stream, error, reading) from error
        except UnicodeError as error:  # utf-16 and utf-32 want a byte-order mark
            raise DataError(
                f"{name} is not {reading.encoding}: {error}; {reading.way('encoding', 'utf-16-le')}"
            ) from error


def too_large(name: str, reading: Reading, unit: str = "bytes") -> DataError:
    """Returns the error of a file that holds more than it may."""
    may_hold_more = reading.way("max_bytes", "more")
    advice = "if that is right, raise data.max_bytes" if may_hold_more else "divide it into smaller files"
    return DataError(f"{name} holds more than {reading.max_bytes:,} {unit}; {advice}")


@contextmanager
def _opened(place: str, reading: Reading) -> Iterator[io.BufferedReader[_Bounded]]:
    with _source(place) as source:
        ending = compression(place)
        try:
            content = decompressed(source, ending)
        except DataError as error:
            raise DataError(f"{redact(place)} {error}") from None
        except DAMAGE as error:
            raise _damaged(place, error) from error
        with (
            closing(content),
            io.BufferedReader(_Bounded(content, place, reading, zipped=bool(ending)), BUFFER) as stream,
        ):
            yield stream


@contextmanager
def _source(place: str) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        try:
            if is_url(place):
                import fsspec

                file = stack.enter_context(fsspec.open(place, "rb"))
            else:
                file = stack.enter_context(Path(place).open("rb"))
        except Exception as error:
            raise _unreadable(place, error) from None
        yield file


def _unreadable(place: str, error: Exception) -> DataError:
    """The error is not chained to its cause, whose text may hold the credentials, written in another way."""
    if not is_url(place):
        return DataError(f"{place} cannot be read: {getattr(error, 'strerror', None) or error}")
    reason = redact(str(error))
    for secret in _secrets(place):
        reason = reason.replace(secret, "***")
    return DataError(f"{redact(place)} cannot be read: {type(error).__name__}: {reason}")


def _damaged(place: str, error: Exception) -> DataError:
    return DataError(f"{redact(place)} is damaged, or is no {NAMES[compression(place)]} file: {error}")


def _secrets(url: str) -> list[str]:
    """Returns what a URL says beside its host and path, as written and as meant, longest first."""
    authority, _, query = url.partition("://")[2].partition("?")
    login = authority.rpartition("@")[0]
    parts = {login, login.partition(":")[2], query, *(pair.partition("=")[2] for pair in query.split("&"))}
    return sorted((each for part in parts for each in {part, unquote(part)} if len(each) > 2), key=len, reverse=True)


class _Bounded(io.RawIOBase):
    """Passes bytes on until they are too many, and turns what reading them raises into sentences."""

    def __init__(self, source: IO[bytes], place: str, reading: Reading, *, zipped: bool) -> None:
        self._source, self._place, self._reading, self._zipped = source, place, reading, zipped
        self._position = 0
        self.num_lines = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            content = self._source.read(len(view))
        except Exception as error:
            if self._zipped and damages(error):
                raise _damaged(self._place, error) from error
            raise _unreadable(self._place, error) from None
        self._position += len(content)
        if self._position > self._reading.max_bytes:
            unit = "bytes once it is decompressed" if self._zipped else "bytes"
            raise too_large(redact(self._place), self._reading, unit)
        self.num_lines += content.count(b"\n")
        view[: len(content)] = content
        return len(content)


def _not_decodable(
    name: str, stream: io.BufferedReader[_Bounded], error: UnicodeDecodeError, reading: Reading
) -> DataError:
    """Says where the byte stands: the decoder knows its place in the last piece it was given."""
    raw, waiting, piece = stream.raw, stream.peek(), error.object
    start = stream.tell() - len(piece)
    before = raw.num_lines - waiting.count(b"\n") - piece.count(b"\n", error.start)
    guess = "utf-16" if piece[:2] in (b"\xff\xfe", b"\xfe\xff") and not start else "cp1252"
    advice = either(reading.way("encoding", guess), reading.way("encoding_errors", "replace"))
    return DataError(
        f"{name}, line {before + 1} is not {reading.encoding}: byte 0x{piece[error.start]:02x} "
        f"at offset {start + error.start}; {advice}"
    )


def _with_byte_order_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return MARK, error.end


codecs.register_error("textune-mark", _mark)
