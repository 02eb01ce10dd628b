"""Files that survive: written whole or not at all, locked, and free of credentials."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from textune.errors import FatalError, RunFolderError
from textune.temporary import remove_folder, temporary_file, temporary_folder

__all__ = [
    "NO_FSYNC",
    "FolderLock",
    "cache_folder",
    "dump_json",
    "folder_written_atomically",
    "full_disk_told",
    "is_disk_full",
    "is_in_use",
    "locked",
    "redact",
    "write_atomically",
    "written_atomically",
]

NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)
"""What pipes, and some network file systems, say where they are to force something to disk."""

LOCK_FILE = ".lock"

# A quote belongs to a URL unless what follows says that it ends the text the URL stands in.
_INSIDE = r"""\\.|\\(?=@)|"(?![\s,:}\]]|$)|'(?![\s,:;.)}\]]|$)"""
_USER_INFO = re.compile(rf"""(?<=://)(?:[^/\s'"\\]|{_INSIDE})*@""")
_USER_INFO_WITH_SLASH = re.compile(rf"""(?<=://)[^\s/@:\['"\\]*:(?!\d*(?:[/?#\s'"]|$))(?:[^\n'"\\]|{_INSIDE})*@""")
_QUERY = re.compile(rf"""(://[^\s'"?#]*[?#])(?:[^\s'"\\]|{_INSIDE})+""")


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file under a temporary name, forces it to disk and renames it; a reader sees the old or the new one."""
    with written_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """As `write_atomically`, for what is written piece by piece; after an error the old file stays."""
    with temporary_file(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(path)


@contextlib.contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Gives a folder to fill, which then takes the place of what is at `path`; after an error that stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path) as folder:
        yield folder
        for place, _, names in os.walk(folder):
            for name in (*names, "."):
                _force(Path(place) / name)
        remove_folder(path)
        folder.rename(path)
        _force(path.parent)


def _force(path: Path) -> None:
    """Forces a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def dump_json(value: Any) -> str:
    """Returns compact, strict JSON; floats that JSON lacks become "NaN", "Infinity" and "-Infinity"."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def redact(text: str) -> str:
    """Returns the text with user names, passwords, query strings and fragments of URLs replaced by `***`.

    The text may be a sentence, YAML or JSON, which stays JSON.
    """
    if "://" not in text:
        return text
    for pattern in (_USER_INFO, _USER_INFO_WITH_SLASH):
        text = pattern.sub("***@", text)
    return _QUERY.sub(r"\1***", text)


def cache_folder() -> Path:
    """Returns `$TEXTUNE_CACHE`, or the platform's place for caches; made if missing, closed to other users."""
    given = os.environ.get("TEXTUNE_CACHE")
    if given:
        folder = Path(given).expanduser().absolute()
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("textune", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def is_disk_full(error: BaseException) -> bool:
    """Safetensors, for one, has only the system's sentence."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return (isinstance(error, OSError) and error.errno in full) or os.strerror(errno.ENOSPC) in str(error)


@contextlib.contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Raises FatalError, with a sentence, where something inside fails because the disk is full."""
    try:
        yield
    except FatalError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise FatalError(
            f"{folder} cannot be written: the disk is full; what was measured is kept: make room and run the same "
            "command again to go on"
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file, for which other processes wait; the kernel releases it when this process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_in_use(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; also where one of another machine held it last, as nobody knows."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _host(os.read(file, 1000)) not in (None, socket.gethostname())
    except BlockingIOError:
        return True
    finally:
        os.close(file)


class FolderLock:
    """Keeps other processes out of a folder until it is released; the kernel releases it when this process ends.

    Raises:
        RunFolderError: another process holds it; the sentence says which, and since when.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RunFolderError(
                    f"{folder / LOCK_FILE} is a symbolic link, and what it names is not written; remove it, or name "
                    "another folder with --out"
                ) from error
            raise RunFolderError(
                f"{folder} cannot be written: {error.strerror}; name another one with --out"
            ) from error
        if not self._lock():
            owner = _owner(os.read(self._file, 1000))
            self.release()
            raise RunFolderError(f"{folder} is in use by {owner}; wait until it ends, or stop it")
        os.ftruncate(self._file, 0)
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        os.write(self._file, dump_json(me).encode())

    def _lock(self) -> bool:
        """Takes the lock, or returns False; whoever only looks (`is_in_use`) has it for a moment."""
        for _ in range(5):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.02)
        return False

    def release(self) -> None:
        """Idempotent. The file stays: removing it would let two others lock two different files of that name."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _host(content: bytes) -> str | None:
    """Returns the machine that a lock file names, None where it names none."""
    try:
        return str(json.loads(content)["host"])
    except (ValueError, KeyError, TypeError):
        return None


def _owner(content: bytes) -> str:
    try:
        owner = json.loads(content)
        minutes = (time.time() - owner["since"]) / 60
        return f"process {owner['pid']} on {owner['host']}, for {minutes:.0f} min"
    except (ValueError, KeyError, TypeError):
        return "another process"  # it has the lock, and has not yet written who it is


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
