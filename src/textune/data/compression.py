"""Compressed files: which they are, what their content is called, and their bytes once decompressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from typing import IO, cast

from textune.data.locate import file_name
from textune.errors import DataError

__all__ = ["NAMES", "compression", "damages", "decompressed", "only_member"]

NAMES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
"""Endings of compressed files, and what these are called."""

DAMAGE = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)
"""What opening or reading a damaged file raises."""


def compression(place: str) -> str:
    """Returns the ending of a compressed file, an empty text of any other."""
    return next((ending for ending in NAMES if file_name(place).endswith(ending)), "")


def decompressed(source: IO[bytes], ending: str) -> IO[bytes]:
    """Returns the content of a file as a stream.

    Raises:
        DataError: it is an archive of no or several files, or encrypted.
        Exception: it is damaged, one of `DAMAGE`.
    """
    match ending:
        case ".gz":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=source))
        case ".bz2":
            return cast("IO[bytes]", bz2.BZ2File(source))
        case ".xz":
            return cast("IO[bytes]", lzma.LZMAFile(source))
        case ".zip":
            archive = zipfile.ZipFile(source)
            return archive.open(only_member(archive))
    return source


def damages(error: Exception) -> bool:
    """Whether an error says that the content is damaged. Of bz2 it is one of the system without a number."""
    return isinstance(error, DAMAGE) or (isinstance(error, OSError) and error.errno is None)


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Returns the one file of an archive, apart from what file managers add.

    Raises:
        DataError: there is none, there are several, or it is encrypted.
    """
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in member.filename.split("/"))
    ]
    if not members:
        raise DataError("contains no file")
    if len(members) > 1:
        names = ", ".join(f"'{member.filename[:60]}'" for member in members[:10])
        raise DataError(
            f"contains {len(members):,} files ({names}); unpack it, and name the one to read or their folder"
        )
    if members[0].flag_bits & 1:
        raise DataError("is encrypted; unpack it")
    return members[0]
