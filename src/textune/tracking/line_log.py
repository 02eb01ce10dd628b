"""A file of JSON lines that survives: appended line by line, each one checksummed and chained to the one before it."""

from __future__ import annotations

import json
import os
import re
import shlex
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from textune.errors import FatalError, RunFolderError
from textune.storage import NO_FSYNC, dump_json, redact

__all__ = ["LineLog", "WholeLines", "read_events", "remedy"]

SYNC_SECONDS = 1.0
"""What a power cut may cost at most."""

CHECKSUM = b',"crc":"'
CHECKSUM_LENGTH = len(CHECKSUM) + 8 + len('"}\n')
_LINK = re.compile(rb',"line":(\d{1,18}),"previous":"([0-9a-f]{8})"\}\Z')
BEGINNING = "00000000"
"""What the first line has as the checksum of the line before it."""


class LineLog:
    """Appends JSON objects to a file, each on a line of its own; credentials are redacted.

    A line ends with its number (`line`), the checksum of the line before it (`previous`) and its own CRC-32 (`crc`), so
    that lines that are lost, doubled, swapped or changed are noticed. A line is with the operating system when `append`
    returns, so it survives the process; a thread forces lines to disk every second, so a power cut costs the last
    second at most. A torn tail that such a cut left is removed first.

    Raises:
        RunFolderError: the file cannot be read, or is damaged before its end.
    """

    def __init__(self, path: Path) -> None:
        self._num_lines, self._previous = 0, BEGINNING
        if path.exists():
            lines = WholeLines(path)
            deque(lines, maxlen=0)
            if lines.torn_bytes:
                os.truncate(path, path.stat().st_size - lines.torn_bytes)
            self._num_lines, self._previous = lines.num_lines, lines.checksum
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._written, self._closed = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._syncer = threading.Thread(target=self._sync, name="textune-log-sync", daemon=True)
        self._syncer.start()

    def append(self, event: str | Mapping[str, Any]) -> None:
        """Appends a JSON object that is not empty, given as its text or as a mapping.

        Raises:
            FatalError: it cannot be written (disk full, folder gone).
        """
        text = redact(event if isinstance(event, str) else dump_json(event))
        place = f',"line":{self._num_lines + 1},"previous":"{self._previous}"}}'
        body = text[:-1].encode() + place.encode()
        checksum = f"{zlib.crc32(body):08x}"
        line = b'%b,"crc":"%b"}\n' % (body[:-1], checksum.encode())
        try:
            if self._error is not None:
                raise self._error
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            self._error = error  # a line may be torn: one more after it would make that look like damage
            raise FatalError(f"{self.path} cannot be written: {error.strerror}; what it held before is kept") from error
        self._num_lines, self._previous = self._num_lines + 1, checksum
        self._written.set()

    def close(self) -> None:
        """Forces everything to disk. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._written.set()
        self._syncer.join()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sync(self) -> None:
        while not self._closed.wait(SYNC_SECONDS):
            self._written.wait()
            self._force()
        self._force()

    def _force(self) -> None:
        self._written.clear()
        try:
            os.fsync(self._file)
        except OSError as error:
            if error.errno not in NO_FSYNC:
                self._error = error


class WholeLines:
    """Yields the number and the JSON text of each whole line of a `LineLog`, without what chains them.

    A log that an earlier version began has lines that are not chained; once one is, all that follow it are.

    Attributes (final once all lines were yielded):
        num_lines: that are whole.
        checksum: of the last one.
        torn_bytes: at the end, that a power cut or a full disk left of a last line; they are to be ignored.

    Raises:
        RunFolderError: while it yields: the file cannot be read, a line is damaged and whole ones follow, or lines are
            lost, doubled or swapped. The sentence names the line.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._is_chained = path, False
        self.num_lines, self.checksum, self.torn_bytes = 0, BEGINNING, 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self._path.open("rb") as file:
                for line in file:
                    body, checksum = line[:-CHECKSUM_LENGTH] + b"}", line[-CHECKSUM_LENGTH:]
                    if checksum != b'%b%08x"}\n' % (CHECKSUM, zlib.crc32(body)):
                        self.torn_bytes += len(line)
                    elif self.torn_bytes:
                        raise self._error(
                            self.num_lines + 1,
                            "the line does not match its checksum, and whole lines follow; it was changed by hand, or "
                            "the disk is at fault",
                        )
                    else:
                        yield self.num_lines + 1, self._next(body, checksum[len(CHECKSUM) : -len('"}\n')].decode())
        except OSError as error:
            raise RunFolderError(f"{self._path} cannot be read: {error.strerror}") from error

    def _next(self, body: bytes, checksum: str) -> bytes:
        """Returns the text of the next line, which follows the one before it."""
        number, link = self.num_lines + 1, _LINK.match(body, max(body.rfind(b',"line":'), 0))
        self._is_chained |= link is not None
        if self._is_chained and (link is None or (int(link[1]), link[2].decode()) != (number, self.checksum)):
            raise self._error(number, _gap(None if link is None else int(link[1]), number))
        self.num_lines, self.checksum = number, checksum
        return body if link is None else body[: link.start()] + b"}"

    def _error(self, number: int, reason: str) -> RunFolderError:
        return RunFolderError(f"{self._path}:{number}: {reason}; {remedy(self._path, number)}")


def read_events(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the events of a `LineLog`, without checksums, and how many bytes at its end are torn and to be ignored.

    Raises:
        RunFolderError: the file cannot be read, or a line before the end is damaged; the sentence names it.
    """
    lines = WholeLines(path)
    return [json.loads(text) for _, text in lines], lines.torn_bytes


def remedy(path: Path, number: int) -> str:
    """Returns what a person can do about a log whose line of this number cannot be used."""
    choices = "restore the file from a copy, or start over with --fresh"
    if number == 1:
        return choices
    name, cut = shlex.quote(str(path)), shlex.quote(f"{path}.cut")
    return f"{choices}, or resume from the lines before it: head -n {number - 1} {name} > {cut} && mv {cut} {name}"


def _gap(line: int | None, number: int) -> str:
    """Returns what is wrong with the number of a line, or else with the line before it."""
    if line is None:
        return "the line is not chained to the one before it; an older Textune, or another program, added it"
    if line == number:
        return "the line does not follow the one before it, which is of another log or was replaced"
    return f"the line is number {line} of the log, not {number}: lines were lost, doubled or swapped"
