"""A cache of folders that are built once, shared by all processes, and forgotten when long unused."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from textune.errors import FatalError, TextuneError
from textune.storage import cache_folder, dump_json, write_atomically
from textune.temporary import remove_abandoned

__all__ = ["Cache", "content_key"]

DEFAULT_BYTES = 10 * 2**30
LEAST_AGE_SECONDS = 3600
"""Entries used within this time are never evicted. One that a process has mapped stays readable to it even so."""

WAIT_SECONDS = 0.1

CONTENTS = ".contents.json"
"""File name → size in bytes, time of change in ns, and CRC-32 of the whole file and of its ends."""

END_BYTES = 4096
"""Of a file's beginning and end, that are read each time its entry is found: zeros do not change its size."""


def content_key(kind: str, *parts: Any) -> str:
    """Returns a name that depends on every part (JSON values) and on nothing else."""
    digest = hashlib.sha256(dump_json(parts).encode())
    return f"{kind}-{digest.hexdigest()[:40]}"


class Cache:
    """Folders by key under one root, which is closed to other users.

    An entry is built under a temporary name and renamed, so it is whole or not there; a build that was killed leaves
    a temporary folder that the next build removes. A list in the entry says what its files hold: one that was damaged
    since counts as not there. Modification times of entries say when they were last used.

    Raises:
        FatalError: the root cannot be made; in all methods that write, that it cannot be written.
    """

    def __init__(self, root: Path | None = None, max_bytes: int | None = None) -> None:
        self.root = cache_folder() / "prepared" if root is None else root
        with self._failing_in_a_sentence():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.max_bytes = _limit() if max_bytes is None else max_bytes

    def find(self, key: str) -> Path | None:
        """Returns the folder of an entry, None if there is none or it is damaged; counts as a use."""
        entry = self.root / key
        if not _is_sound(entry):
            return None
        with contextlib.suppress(OSError):  # it is removed this moment, or the cache is read-only
            os.utime(entry)
        return entry

    def folder(self, key: str, build: Callable[[Path], None]) -> Path:
        """Returns the folder of an entry; `build` fills it if it is not there, while other processes wait for it.

        An entry holds files, no folders. Builds of other keys may run inside `build`, that of its own may not.
        """
        entry = self.find(key)
        if entry is not None:
            return entry
        with self._failing_in_a_sentence():
            with self._locked(key):
                entry = self.find(key)
                if entry is not None:
                    return entry
                with self._new_entry(key) as folder:
                    build(folder)
            self._evict()
        return self.root / key

    def folder_in_steps(self, key: str, build: Callable[[Path], Iterator[None]]) -> Generator[None, None, Path]:
        """As `folder`; yields whenever `build` does, and ten times a second while another process builds the entry.

        Closed before the end, it leaves nothing behind.
        """
        entry = self.find(key)
        if entry is not None:
            return entry
        with self._failing_in_a_sentence():
            with contextlib.ExitStack() as held:
                while not self._takes_lock(key, held):
                    yield
                    time.sleep(WAIT_SECONDS)
                entry = self.find(key)
                if entry is not None:
                    return entry
                with self._new_entry(key) as folder:
                    yield from build(folder)
            self._evict()
        return self.root / key

    def keep(self, path: Path) -> None:
        """Counts as a use of the entry that a file belongs to, if it belongs to one."""
        if path.parent.parent == self.root:
            self.find(path.parent.name)

    def note(self, key: str) -> Any:
        """Returns the JSON value noted under a key, None if there is none or it is damaged."""
        try:
            note = json.loads((self.root / f"{key}.json").read_bytes())
            return note["value"] if note["crc"] == _checksum(note["value"]) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write_note(self, key: str, value: Any) -> None:
        """Notes a JSON value, unless there is no room for it: what is noted can be found out again."""
        note = dump_json({"value": value, "crc": _checksum(value)})
        with contextlib.suppress(OSError):
            write_atomically(self.root / f"{key}.json", note)

    def size(self) -> int:
        """Returns the bytes of all files."""
        return _size(self.root)

    def clear(self) -> int:
        """Removes every entry that no process is building, and returns the bytes that are free now."""
        before = self.size()
        with self._failing_in_a_sentence():
            for path in list(self.root.iterdir()):
                if path.suffix == ".json":
                    path.unlink(missing_ok=True)
                elif path.suffix != ".lock":
                    self._remove(path)
        return before - self.size()

    @contextlib.contextmanager
    def _new_entry(self, key: str) -> Iterator[Path]:
        """Gives a folder to fill, which is the entry when all went well."""
        temporary, entry = self._temporary(key), self.root / key
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(mode=0o700)
            yield temporary
            told = {path.name: _file_told(path) for path in temporary.iterdir()}
            write_atomically(temporary / CONTENTS, dump_json(told))
            shutil.rmtree(entry, ignore_errors=True)  # what is there is damaged
            temporary.rename(entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @contextlib.contextmanager
    def _failing_in_a_sentence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # numpy's has no number when a disk is full
            raise FatalError(
                f"the cache {self.root} cannot be written: {error.strerror or error}; free space "
                "('textune cache --clear'), or set TEXTUNE_CACHE to another folder"
            ) from error

    def _evict(self) -> None:
        """Removes what killed processes left, and entries over the limit, those not used for longest first."""
        entries = []
        for path in self.root.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process removes it this moment
                if path.suffix == ".tmp":
                    self._remove(path)
                elif path.is_dir():
                    entries.append((path.stat().st_mtime, _size(path), path))
        excess = sum(size for _, size, _ in entries) - self.max_bytes
        for used, size, path in sorted(entries):
            if excess <= 0 or time.time() - used < LEAST_AGE_SECONDS:
                return
            self._remove(path)
            excess -= size

    def _remove(self, path: Path) -> None:
        """Removes an entry, or what a killed process left, unless a process is writing it."""
        if path.is_file():
            remove_abandoned(path)
            return
        key = path.name.removeprefix(".").removesuffix(".tmp")
        with contextlib.suppress(BlockingIOError, FileNotFoundError), self._locked(key, fcntl.LOCK_NB):
            temporary = self._temporary(key)
            if path != temporary:
                shutil.rmtree(temporary, ignore_errors=True)
                path.rename(temporary)
            shutil.rmtree(temporary, ignore_errors=True)
            self._lock_file(key).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, key: str, flags: int = 0) -> Iterator[None]:
        path = self._lock_file(key)
        while True:
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | flags)
                if _is_open_file(path, file.fileno()):  # not so if its entry was removed while this process waited
                    yield
                    return

    def _takes_lock(self, key: str, held: contextlib.ExitStack) -> bool:
        try:
            held.enter_context(self._locked(key, fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def _temporary(self, key: str) -> Path:
        return self.root / f".{key}.tmp"

    def _lock_file(self, key: str) -> Path:
        return self.root / f".{key}.lock"


def _is_open_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _file_told(path: Path) -> list[int]:
    """Forces a file to disk, or a power cut after the rename leaves zeros; returns its size, time and checksums."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        stat = os.fstat(file.fileno())
    return [stat.st_size, stat.st_mtime_ns, _file_checksum(path), _ends_checksum(path)]


def _is_sound(entry: Path) -> bool:
    """Whether the files of an entry are those that were built. Only one that was touched since is read whole for it."""
    try:
        for name, (size, changed, checksum, ends) in json.loads((entry / CONTENTS).read_bytes()).items():
            stat = (entry / name).stat()
            if stat.st_size != size or _ends_checksum(entry / name) != ends:
                return False
            if stat.st_mtime_ns != changed and _file_checksum(entry / name) != checksum:
                return False
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return False
    return True


def _file_checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            checksum = zlib.crc32(piece, checksum)
    return checksum


def _ends_checksum(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        checksum = zlib.crc32(file.read(END_BYTES))
        if (size := file.seek(0, os.SEEK_END)) > END_BYTES:
            file.seek(max(END_BYTES, size - END_BYTES))
            checksum = zlib.crc32(file.read(END_BYTES), checksum)
    return checksum


def _checksum(value: Any) -> int:
    return zlib.crc32(dump_json(value).encode(errors="surrogatepass"))


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # passes over what another process removes meanwhile
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
    return total


def _limit() -> int:
    given = os.environ.get("TEXTUNE_CACHE_BYTES", "")
    try:
        return int(given) if given else DEFAULT_BYTES
    except ValueError:
        raise TextuneError(f"TEXTUNE_CACHE_BYTES is '{given}'; give a whole number of bytes") from None
