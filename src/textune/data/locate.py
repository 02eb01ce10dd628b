"""Where a path of a study leads: a local file, or a URL that fsspec opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from textune.errors import DataError
from textune.storage import redact

__all__ = ["file_name", "is_url", "locate", "locate_given", "locate_set", "missing_set"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


def is_url(path: str) -> bool:
    return _SCHEME.match(path) is not None


def file_name(place: str) -> str:
    """Returns the path of a URL, or the local path: what tells of which format a file is, in lower case."""
    try:
        return (urlsplit(place).path if is_url(place) else place).lower()
    except ValueError:
        return place.lower()


def locate(path: str, folders: Sequence[Path]) -> str:
    """Returns a URL as it is, and of a local path the first of the folders where it exists, absolute.

    Raises:
        DataError: it exists nowhere; the sentence names the places that were tried.
    """
    found = locate_set("", (path,), folders)
    if found is None:
        raise DataError(
            f"there is no file '{redact(path)}'; looked in {_places(folders)}; write the path from the study's folder, "
            "or set TEXTUNE_DATA to the folder that holds it"
        )
    return found[0]


def locate_given(path: str) -> str:
    """Returns a URL as it is, and of a local path that the command line names the absolute one.

    Raises:
        DataError: it does not exist.
    """
    found = locate_set("", (path,), (Path(),))
    if found is None:
        where = "" if _at_home(path).is_absolute() else f" in {Path().absolute()}"
        raise DataError(f"there is no file '{redact(path)}'{where}; check the path")
    return found[0]


def locate_set(folder: str, names: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...] | None:
    """Returns the places of files that belong together, from the first folder that has them all; None if none has."""
    paths = [f"{folder.rstrip('/')}/{name}" if folder else name for name in names]
    if all(is_url(path) for path in paths):
        return tuple(paths)
    for base in folders or (Path(),):
        found = [(base / _at_home(path)).absolute() for path in paths]
        if all(_exists(path) for path in found):
            return tuple(str(path) for path in found)
    return None


def missing_set(name: str, folder: str, ways: str, folders: Sequence[Path]) -> DataError:
    """Returns the error of a named data set that is not there, with the ways to get it."""
    return DataError(
        f"{name} was not found as '{redact(folder)}' in {_places(folders)}; {ways}, then put it into the study's "
        "folder, set data.path to where it is, or set TEXTUNE_DATA to the folder that holds it"
    )


def _places(folders: Sequence[Path]) -> str:
    return " and ".join(dict.fromkeys(str(folder.absolute()) for folder in folders or (Path(),)))


def _at_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~somebody, and there is no such user
        return Path(path)


def _exists(path: Path) -> bool:
    """A name that no file can have (too long, with a NUL, below a file) is one that does not exist."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
