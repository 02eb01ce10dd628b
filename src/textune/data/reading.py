"""Files and URLs as bytes and lines of text, never more of them than a study allows. Credentials stay in here."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import unquote

from textune.data.locate import file_name, is_url
from textune.errors import DataError
from textune.storage import redact

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["LONGEST_LINE", "MAX_BYTES", "EncodingErrors", "Reading", "is_zipped", "lines", "read_bytes", "too_large"]

MAX_BYTES = 8 * 2**30
"""The default of `data.max_bytes`."""

LONGEST_LINE = 2**26
"""Characters. One text of a table is never as long: a quote was not closed, or the file is no text."""

MARK = "\udcff"
"""What undecodable bytes become until they are counted: half of a surrogate pair, which no text holds."""

BUFFER = 2**20
EncodingErrors = Literal["strict", "replace"]


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        encoding: of text.
        encoding_errors: `strict` refuses bytes that are no text in the encoding, `replace` puts U+FFFD in their place.
        delimiter: what separates the columns of csv and tsv; None is ',' and tab.
        quotes: whether csv and tsv fields may stand in double quotes.
        max_bytes: of a file, decompressed.
        in_study: whether a study can say otherwise, so that errors name its settings.
    """

    encoding: str = "utf-8"
    encoding_errors: EncodingErrors = "strict"
    delimiter: str | None = None
    quotes: bool = True
    max_bytes: int = MAX_BYTES
    in_study: bool = False


def read_bytes(place: str, reading: Reading = Reading()) -> bytes:
    """Returns all of a local file or URL, decompressed where its name ends in .gz.

    Raises:
        DataError: it cannot be read, or is larger than allowed; credentials are not part of the sentence.
    """
    with _opened(place, reading) as stream:
        return stream.read()


def lines(place: str, reading: Reading, newline: str) -> Iterator[str]:
    """Yields the lines of a text file with their ends; bytes that are no text become `MARK` if they may be replaced.

    Args:
        place: local file or URL.
        reading: how it is read.
        newline: what ends a line; '': a line feed, a carriage return, or both.

    Raises:
        DataError: it cannot be read or decoded, or is larger than allowed.
    """
    name = redact(place)
    errors = "strict" if reading.encoding_errors == "strict" else "textune-mark"
    with (
        _opened(place, reading) as stream,
        io.TextIOWrapper(stream, _with_byte_order_mark(reading.encoding), errors, newline=newline) as text,
    ):
        number = 0
        try:
            while line := text.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise DataError(
                        f"{name}, line {number} is longer than {LONGEST_LINE:,} characters, too long for a text; "
                        "end its lines with line feeds, or check that it is a text file"
                    )
                yield line
        except UnicodeDecodeError as error:
            raise _not_decodable(name, stream, error, reading) from error
        except UnicodeError as error:  # utf-16 and utf-32 want a byte-order mark
            raise DataError(f"{name} is not {reading.encoding}: {error}; {_advice(reading, 'utf-16-le')}") from error


def too_large(name: str, reading: Reading, unit: str = "bytes") -> DataError:
    """Returns the error of a file that holds more than it may."""
    advice = "if that is right, raise data.max_bytes" if reading.in_study else "divide it into smaller files"
    return DataError(f"{name} holds more than {reading.max_bytes:,} {unit}; {advice}")


def is_zipped(place: str) -> bool:
    return file_name(place).endswith(".gz")


@contextmanager
def _opened(place: str, reading: Reading) -> Iterator[io.BufferedReader[_Bounded]]:
    with _source(place) as source:
        zipped = is_zipped(place)
        content = gzip.GzipFile(fileobj=source) if zipped else source
        with closing(content), io.BufferedReader(_Bounded(content, place, reading, zipped=zipped), BUFFER) as stream:
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


def _secrets(url: str) -> list[str]:
    """Returns what a URL says beside its host and path, as written and as meant, longest first."""
    authority, _, query = url.partition("://")[2].partition("?")
    login = authority.rpartition("@")[0]
    parts = {login, login.partition(":")[2], query, *(pair.partition("=")[2] for pair in query.split("&"))}
    return sorted((each for part in parts for each in {part, unquote(part)} if len(each) > 2), key=len, reverse=True)


class _Bounded(io.RawIOBase):
    """Passes bytes on until they are too many, and turns what reading them raises into sentences."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile, place: str, reading: Reading, *, zipped: bool) -> None:
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
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{redact(self._place)} is damaged, or is no gzip file: {error}") from error
        except Exception as error:
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
    advice = _advice(reading, guess) + (", or set data.encoding_errors to replace" if reading.in_study else "")
    return DataError(
        f"{name}, line {before + 1} is not {reading.encoding}: byte 0x{piece[error.start]:02x} "
        f"at offset {start + error.start}; {advice}"
    )


def _advice(reading: Reading, guess: str) -> str:
    if reading.in_study:
        return f"name the file's encoding with data.encoding, for instance {guess}"
    return "convert it to utf-8, for instance with iconv"


def _with_byte_order_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return MARK, error.end


codecs.register_error("textune-mark", _mark)
