"""Files and folders that are there for a while: locked by who makes them, so that what a kill leaves can be removed."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "is_temporary",
    "remove_abandoned",
    "remove_abandoned_beside",
    "remove_folder",
    "scratch_folder",
    "temporary_file",
    "temporary_folder",
]

_BESIDE = re.compile(r"\..+\.\d+(-\w+)?\.tmp|\.tmp\w{6}", re.DOTALL)
"""Names of ours, of earlier versions too; the second is how the safetensors library names its own."""
_SCRATCH = re.compile(r"textune-\d+-\w{8}")


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[BinaryIO]:
    """Gives a new file beside `path` to write, by handle or by its `name`; it is removed unless it was renamed."""
    while True:
        temporary = _beside(path)
        with temporary.open("xb") as file:  # never through a link
            if not _locked(file.fileno(), temporary):
                continue
            try:
                yield file
            finally:
                temporary.unlink(missing_ok=True)
            return


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Gives a new, empty folder beside `path`; it is removed unless it was renamed."""
    while True:
        temporary = _beside(path)
        temporary.mkdir()
        with _held(temporary) as is_ours:
            if not is_ours:
                continue
            try:
                yield temporary
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            return


@contextlib.contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Gives a new folder closed to other users, in `place` or where the system has temporary files.

    Those that killed processes left there are removed first.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    for left in place.glob("textune-*"):
        if _SCRATCH.fullmatch(left.name):
            remove_abandoned(left)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"textune-{os.getpid()}-", dir=place))
        with _held(folder) as is_ours:
            if not is_ours:
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name was made by `temporary_file` or `temporary_folder`."""
    return _BESIDE.fullmatch(name) is not None


def remove_abandoned(path: Path) -> None:
    """Removes a temporary file or folder, unless a process still holds it or it belongs to another user."""
    with contextlib.suppress(OSError):  # another process removed it, or it cannot be locked and so may be in use
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)


def remove_abandoned_beside(path: Path) -> None:
    """Removes what writers of a file left beside it that were killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if is_temporary(left.name):
            remove_abandoned(left)


def remove_folder(path: Path) -> None:
    """Removes a folder, if there is one, all at once: a kill leaves no part of it. A link is removed, not followed."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        aside = _beside(path)
        try:
            path.rename(aside)
        except OSError:
            aside = path  # one by one, then
        shutil.rmtree(aside, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Locks a new folder; says whether it is still there, and not removed a moment before."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _locked(descriptor, folder)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, path: Path) -> bool:
    """Locks what was made a moment ago; returns whether it is still there: another process may have removed it."""
    with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
