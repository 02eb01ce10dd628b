"""Files and URLs as bytes and lines of text, never more of them than a study allows. Credentials stay in here."""

from __future__ import annotations

import codecs
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from textune.data.compression import NAMES, compression, damages, decompressed, only_member
from textune.data.encodings import Look, look
from textune.data.locate import file_name, is_url
from textune.data.reading import Reading, either
from textune.errors import DataError
from textune.memory import is_exhausted
from textune.spare_memory import Watch
from textune.storage import redact

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    Opened = Callable[[], AbstractContextManager[io.BufferedReader["_Bounded"]]]

__all__ = [
    "LONGEST_LINE",
    "inner_name",
    "lines",
    "lines_of",
    "local_or_bytes",
    "look_at",
    "read_bytes",
    "read_text",
    "too_large",
]

LONGEST_LINE = 2**26
"""Characters. One text of a table is never as long: a quote was not closed, or the file is no text."""

MARK = "\udcff"
"""What undecodable bytes become until they are counted: half of a surrogate pair, which no text holds."""

BUFFER = 2**20

LOOK_EVERY = 32 * 2**20
"""Bytes after which it is estimated whether the rest fits into the memory."""


def read_bytes(place: str, reading: Reading) -> bytes:
    """Returns all of a local file or URL, decompressed where its name says that it is compressed.

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
    with _source(place) as source, _named(place):
        return only_member(zipfile.ZipFile(source)).filename.lower()


def look_at(places: Iterable[str], reading: Reading) -> Look:
    """Returns what encoding the content of local files or URLs seems to have.

    Raises:
        DataError: one cannot be read, or is larger than allowed.
    """

    def raw_lines() -> Iterator[bytes]:
        for place in places:
            with _opened(place, reading) as stream:
                yield from _raw_lines(stream)

    return look(raw_lines())


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
            at_line, place = _place(stream, error)
            raise DataError(
                f"{name}, line {at_line} is not {reading.encoding}: {place}; {_advice(opened, reading)}"
            ) from error
        except UnicodeError as error:  # utf-16 and utf-32 want a byte-order mark
            raise DataError(f"{name} is not {reading.encoding}: {error}; {_advice(opened, reading)}") from error


def too_large(name: str, reading: Reading, unit: str = "bytes") -> DataError:
    """Returns the error of a file that holds more than it may."""
    may_hold_more = reading.way("max_bytes", "more")
    advice = "if that is right, raise data.max_bytes" if may_hold_more else "divide it into smaller files"
    return DataError(f"{name} holds more than {reading.max_bytes:,} {unit}; {advice}")


@contextmanager
def _opened(place: str, reading: Reading) -> Iterator[io.BufferedReader[_Bounded]]:
    with _source(place) as source:
        ending = compression(place)
        with _named(place):
            content = decompressed(source, ending)
        with (
            closing(content),
            io.BufferedReader(
                _Bounded(content, place, reading, zipped=bool(ending), share=partial(_share, source, _size(place))),
                BUFFER,
            ) as stream,
        ):
            yield stream


def _size(place: str) -> int:
    """Returns how large a file is on the disk; 0 where that is not known."""
    return 0 if is_url(place) or not Path(place).is_file() else Path(place).stat().st_size


def _share(source: IO[bytes], size: int) -> float | None:
    """Returns how much of a file was read, None where that is not known."""
    return min(1.0, source.tell() / size) if size else None


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


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Names the file in what opening it for decompression raises."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{redact(place)} {error}") from None
    except Exception as error:
        raise _damaged(place, error) if damages(error) else _unreadable(place, error) from None


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

    def __init__(
        self,
        source: IO[bytes],
        place: str,
        reading: Reading,
        *,
        zipped: bool,
        share: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._source, self._place, self._reading, self._zipped = source, place, reading, zipped
        self._share, self._watch, self._next_look = share, Watch(), LOOK_EVERY
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
            if is_exhausted(error):
                raise
            if self._zipped and damages(error):
                raise _damaged(self._place, error) from error
            raise _unreadable(self._place, error) from None
        self._position += len(content)
        if self._position > self._reading.max_bytes:
            unit = "bytes once it is decompressed" if self._zipped else "bytes"
            raise too_large(redact(self._place), self._reading, unit)
        if self._position >= self._next_look:
            self._watch.check(redact(self._place), self._share())
            self._next_look += LOOK_EVERY
        self.num_lines += content.count(b"\n")
        view[: len(content)] = content
        return len(content)


def _place(stream: io.BufferedReader[_Bounded], error: UnicodeDecodeError) -> tuple[int, str]:
    """Returns the line and where the byte is: the decoder knows its place in the last piece it was given."""
    raw, waiting, piece = stream.raw, stream.peek(), error.object
    start = stream.tell() - len(piece)
    before = raw.num_lines - waiting.count(b"\n") - piece.count(b"\n", error.start)
    return before + 1, f"byte 0x{piece[error.start]:02x} at offset {start + error.start}"


def _advice(opened: Opened, reading: Reading) -> str:
    """Returns what a user may do about a file that is not in its encoding, by a look at it."""
    try:
        with opened() as stream:
            seen = look(_raw_lines(stream))
    except DataError:  # it is larger than it may be, which comes second
        seen = Look(("cp1252",))
    best, *others = seen.encodings
    changed = f", which changes {seen.num_not_utf8:,} of {seen.num_lines:,} lines"
    is_utf8 = codecs.lookup(reading.encoding).name == "utf-8"
    replaced = reading.way("encoding_errors", "replace") + (changed if is_utf8 and seen.num_lines else "")
    if is_utf8 and best == "utf-8":
        return replaced
    ways = either(reading.way("encoding", best), replaced)
    return f"{ways}; {' or '.join(others[:3])} would decode it, too" if others else ways


def _raw_lines(stream: io.BufferedReader[_Bounded]) -> Iterator[bytes]:
    return iter(lambda: stream.readline(LONGEST_LINE), b"")


def _with_byte_order_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return MARK, error.end


codecs.register_error("textune-mark", _mark)
