"""Where a path of a study leads: a local file, or a URL that fsspec opens. Credentials never leave this module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from textune.errors import DataError
from textune.storage import redact

__all__ = ["is_url", "locate", "locate_set", "missing_set", "read_bytes"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


def is_url(path: str) -> bool:
    return _SCHEME.match(path) is not None


def locate(path: str, folders: Sequence[Path]) -> str:
    """Returns a URL as it is, and of a local path the first of the folders where it exists, absolute.

    Raises:
        DataError: it exists nowhere; the sentence names the places that were tried.
    """
    found = locate_set("", (path,), folders)
    if found is None:
        raise DataError(
            f"there is no file '{path}'; looked in {_places(folders)}; write the path from the study's folder, "
            "or set TEXTUNE_DATA to the folder that holds it"
        )
    return found[0]


def locate_set(folder: str, names: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...] | None:
    """Returns the places of files that belong together, from the first folder that has them all; None if none has."""
    paths = [f"{folder.rstrip('/')}/{name}" if folder else name for name in names]
    if all(is_url(path) for path in paths):
        return tuple(paths)
    for base in folders or (Path(),):
        found = [(base / Path(path).expanduser()).absolute() for path in paths]
        if all(path.exists() for path in found):
            return tuple(str(path) for path in found)
    return None


def missing_set(name: str, folder: str, ways: str, folders: Sequence[Path]) -> DataError:
    """Returns the error of a named data set that is not there, with the ways to get it."""
    return DataError(
        f"{name} was not found as '{redact(folder)}' in {_places(folders)}; {ways}, then put it into the study's "
        "folder, set data.path to where it is, or set TEXTUNE_DATA to the folder that holds it"
    )


def read_bytes(place: str) -> bytes:
    """Reads a whole local file or URL.

    Raises:
        DataError: it cannot be read; credentials are not part of the sentence.
    """
    if not is_url(place):
        try:
            return Path(place).read_bytes()
        except OSError as error:
            raise DataError(f"{place} cannot be read: {error.strerror}") from error
    import fsspec

    try:
        with fsspec.open(place, "rb") as file:
            content: bytes = file.read()
    except Exception as error:
        # Not chained: the text of the original error may hold the credentials.
        raise DataError(f"{redact(place)} cannot be read: {type(error).__name__}: {redact(str(error))}") from None
    return content


def _places(folders: Sequence[Path]) -> str:
    return " and ".join(dict.fromkeys(str(folder.absolute()) for folder in folders or (Path(),)))
