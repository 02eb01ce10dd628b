"""A cache of folders that are built once, shared by all processes, and forgotten when long unused."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from textune.errors import TextuneError
from textune.storage import cache_folder, dump_json, write_atomically

__all__ = ["Cache", "content_key"]

DEFAULT_BYTES = 10 * 2**30
LEAST_AGE_SECONDS = 3600
"""Entries used within this time are never evicted. One that a process has mapped stays readable to it even so."""


def content_key(kind: str, *parts: Any) -> str:
    """Returns a name that depends on every part (JSON values) and on nothing else."""
    digest = hashlib.sha256(dump_json(parts).encode())
    return f"{kind}-{digest.hexdigest()[:40]}"


class Cache:
    """Folders by key under one root, which is closed to other users.

    An entry is built under a temporary name and renamed, so it is whole or not there; a build that was killed leaves
    a temporary folder that the next build removes. Modification times of entries say when they were last used.
    """

    def __init__(self, root: Path | None = None, max_bytes: int | None = None) -> None:
        self.root = cache_folder() / "prepared" if root is None else root
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.max_bytes = _limit() if max_bytes is None else max_bytes

    def find(self, key: str) -> Path | None:
        """Returns the folder of an entry, None if there is none; counts as a use."""
        entry = self.root / key
        try:
            os.utime(entry)
        except FileNotFoundError:
            return None
        return entry

    def folder(self, key: str, build: Callable[[Path], None]) -> Path:
        """Returns the folder of an entry; `build` fills it if it is not there, while other processes wait for it.

        An entry holds files, no folders. Builds of other keys may run inside `build`, that of its own may not.
        """
        entry = self.find(key)
        if entry is not None:
            return entry
        with self._locked(key):
            entry = self.find(key)
            if entry is not None:
                return entry
            self._build(key, build)
        self._evict()
        return self.root / key

    def note(self, key: str) -> Any:
        """Returns the JSON value noted under a key, None if there is none."""
        try:
            return json.loads((self.root / f"{key}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def write_note(self, key: str, value: Any) -> None:
        write_atomically(self.root / f"{key}.json", dump_json(value))

    def size(self) -> int:
        """Returns the bytes of all files."""
        return _size(self.root)

    def clear(self) -> int:
        """Removes every entry that no process is building, and returns the bytes that are free now."""
        before = self.size()
        for path in list(self.root.iterdir()):
            if path.suffix == ".json":
                path.unlink(missing_ok=True)
            elif path.is_dir():
                self._remove(path)
        return before - self.size()

    def _build(self, key: str, build: Callable[[Path], None]) -> None:
        temporary = self._temporary(key)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(mode=0o700)
            build(temporary)
            for path in temporary.iterdir():
                _force_to_disk(path)  # or a power cut after the rename leaves files of zeros
            temporary.rename(self.root / key)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            raise TextuneError(
                f"the cache {self.root} cannot be written: {error.strerror}; free space ('textune cache --clear'), "
                "or set TEXTUNE_CACHE to another folder"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _evict(self) -> None:
        """Removes what killed builds left, and entries over the limit, those not used for longest first."""
        entries = []
        for path in self.root.iterdir():
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
        """Removes an entry, or what a killed build left of it, unless a process is building it."""
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

    def _temporary(self, key: str) -> Path:
        return self.root / f".{key}.tmp"

    def _lock_file(self, key: str) -> Path:
        return self.root / f".{key}.lock"


def _is_open_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _force_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _limit() -> int:
    given = os.environ.get("TEXTUNE_CACHE_BYTES", "")
    try:
        return int(given) if given else DEFAULT_BYTES
    except ValueError:
        raise TextuneError(f"TEXTUNE_CACHE_BYTES is '{given}'; give a whole number of bytes") from None
