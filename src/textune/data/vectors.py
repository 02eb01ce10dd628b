"""Word vectors in the text format of GloVe and fastText (also .gz): one word and its numbers a line."""

# N known tokens, D width

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from textune.data.base import SPECIAL_TOKENS
from textune.data.cache import Cache, content_key
from textune.errors import DataError
from textune.storage import write_atomically

__all__ = ["WordVectors", "file_identity", "load_vectors", "vector_words"]

FORMAT = 1
"""Counts changes of what a cache entry holds."""

LINES_AT_ONCE = 4096
LONGEST_LINE = 2**20
"""Bytes. A word and thousands of numbers take less."""


@dataclass(frozen=True)
class WordVectors:
    """The vectors of those tokens of a vocabulary that a file knows.

    Attributes:
        matrix_ND: one row per found token, memory-mapped.
        index_N: the id of the token a row belongs to, ascending.
        coverage: share of the tokens, special ones aside, that were found, 0 … 1.
    """

    matrix_ND: NDArray[np.float32]
    index_N: NDArray[np.int64]
    coverage: float


def file_identity(path: Path) -> list[str | int]:
    """Returns what changes when a file does: its place, size in bytes and time of change.

    Of a folder, in place of a size, what names, sizes and times of all files in it add up to: 25,000 files take 60 ms.

    Raises:
        DataError: it cannot be read.
    """
    try:
        stat = path.stat()
        if not path.is_dir():
            return [str(path.absolute()), stat.st_size, stat.st_mtime_ns]
        digest, changed = hashlib.sha256(), stat.st_mtime_ns
        for name, size, time in _files_in(path):
            digest.update(f"{len(name)}:{name}{size}:{time}".encode(errors="surrogateescape"))
            changed = max(changed, time)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return [str(path.absolute()), digest.hexdigest(), changed]


def _files_in(folder: Path, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Yields name, size and time of change of each file, in the order of names."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _files_in(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                stat = entry.stat()
                yield f"{prefix}{entry.name}", stat.st_size, stat.st_mtime_ns


def load_vectors(path: Path, tokens: Sequence[str], size: int | None, cache: Cache) -> WordVectors:
    """Returns the vectors of a vocabulary's tokens, special tokens aside, kept in the cache.

    They have `size` numbers each; None: as many as those of the file have.

    Where a word stands twice in the file, the first line counts. A line whose word has spaces is passed over.

    Raises:
        DataError: the file cannot be read, or its vectors have another size; the sentence names the line.
    """
    wanted = hashlib.sha256("\n".join(tokens).encode()).hexdigest()

    def build(folder: Path) -> None:
        matrix_ND, index_N = _read_vectors(path, tokens, size)
        np.save(folder / "matrix.npy", matrix_ND)
        np.save(folder / "index.npy", index_N)

    folder = cache.folder(content_key("vectors", FORMAT, file_identity(path), wanted, size), build)
    index_N = np.load(folder / "index.npy", allow_pickle=False)
    matrix_ND = np.asarray(np.load(folder / "matrix.npy", mmap_mode="r", allow_pickle=False))
    return WordVectors(matrix_ND, index_N, len(index_N) / max(len(tokens) - len(SPECIAL_TOKENS), 1))


def vector_words(path: Path, cache: Cache) -> list[str]:
    """Returns the words of a file without spaces, in its order, kept in the cache.

    Raises:
        DataError: the file cannot be read.
    """

    def build(folder: Path) -> None:
        write_atomically(folder / "words.json", json.dumps(list(dict.fromkeys(_words(path))), ensure_ascii=False))

    folder = cache.folder(content_key("vector-words", FORMAT, file_identity(path)), build)
    words: list[str] = json.loads((folder / "words.json").read_bytes())
    return words


def _read_vectors(path: Path, tokens: Sequence[str], size: int | None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    missing = {token.encode(): index for index, token in enumerate(tokens) if token not in SPECIAL_TOKENS}
    index, blocks, block = [], [], []
    with _lines(path) as (first, width, lines):
        size = size or width
        if width != size:
            raise DataError(
                f"{path}:{first} has a vector of {width} numbers, and model.embedding.size is {size}; "
                f"set model.embedding.size to {width}, or name a file of {size} numbers a word"
            )
        for number, line in enumerate(lines, start=first):
            end = line.find(b" ")
            word = line[:end]
            if word not in missing:
                continue
            values = line[end + 1 :].strip()
            if values.count(b" ") >= size:
                continue  # the word has spaces, and only its first part was wanted
            index.append(missing.pop(word))
            block.append((number, values.decode(errors="replace")))
            if len(block) == LINES_AT_ONCE:
                blocks.append(_parsed(path, block, size))
                block.clear()
        blocks.append(_parsed(path, block, size))
    order = np.argsort(np.array(index, dtype=np.int64))
    return np.concatenate(blocks)[order], np.array(index, dtype=np.int64)[order]


def _parsed(path: Path, lines: Sequence[tuple[int, str]], size: int) -> NDArray[np.float32]:
    """Returns the numbers of lines as a matrix; if they make none, looks for the line at fault."""
    if not lines:
        return np.empty((0, size), dtype=np.float32)
    try:
        matrix = np.loadtxt([values for _, values in lines], dtype=np.float32, comments=None, ndmin=2)
        if matrix.shape == (len(lines), size) and np.isfinite(matrix).all():
            return matrix
    except ValueError:
        pass
    if len(lines) > 1:
        return np.concatenate([_parsed(path, [line], size) for line in lines])
    raise DataError(
        f"{path}:{lines[0][0]} does not hold {size} finite numbers after its word; repair or remove the line"
    )


def _words(path: Path) -> Iterator[str]:
    with _lines(path) as (_, width, lines):
        for line in lines:
            if line.rstrip().count(b" ") == width:
                word = line[: line.find(b" ")].decode(errors="replace")
                if "\ufffd" not in word:
                    yield word


@contextmanager
def _lines(path: Path) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """Opens a file after its fastText header, if it has one: number of the first line, its vector's size, all lines."""
    try:
        with _open(path) as file:
            line, first = file.readline(LONGEST_LINE), 1
            if len(line.split()) == 2 and all(field.isdigit() for field in line.split()):
                line, first = file.readline(LONGEST_LINE), 2
            width = len(line.split()) - 1
            if width < 1:
                raise DataError(
                    f"{path}:{first} has no word vector; expected a word and its numbers, separated by spaces"
                )
            yield first, width, _chained(line, file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _chained(line: bytes, file: IO[bytes], path: Path) -> Iterator[bytes]:
    while line:
        if len(line) == LONGEST_LINE:
            raise DataError(f"{path} has a line longer than {LONGEST_LINE:,} bytes; it is no file of word vectors")
        yield line
        line = file.readline(LONGEST_LINE)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb", buffering=2**20)  # type: ignore[return-value]
