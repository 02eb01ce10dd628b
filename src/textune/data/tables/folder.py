"""Folders of txt files as tables: folders by label, in folders by split where there are any."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from textune.data.base import SPLIT_WORDS
from textune.data.content import lines, read_text, too_large
from textune.data.reading import Reading
from textune.data.tables.table import Table, replace_halves
from textune.errors import DataError

__all__ = ["is_folder", "read_folder", "text_files"]

UNLABELLED = {"unsup", "unlabeled", "unlabelled"}
"""Folders whose texts have no label, as that of the IMDb reviews."""


def is_folder(place: str) -> bool:
    return Path(place).is_dir()


def read_folder(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads `[split/]label/*.txt`, a text a file; in format `lines` a text a line, also `[split/]label.txt`.

    The columns are `text`, `label`, `split` where folders say so, and `file`.

    Raises:
        DataError: there is no txt file, none has a label where one is wanted, or they hold more than they may.
    """
    files = text_files(place)
    by_line = reading.format == "lines"
    columns: dict[str, list[Any]] = {"text": [], "label": [], "split": [], "file": []}
    num_bytes = 0
    for file in files:
        path = Path(place, file)
        num_bytes += path.stat().st_size
        if num_bytes > reading.max_bytes:
            raise too_large(place, reading)
        split, label = _meaning(file, by_line=by_line)
        texts = _texts_by_line(path, reading) if by_line else [read_text(str(path), reading)]
        for text in texts:
            for column, value in zip(columns.values(), (text, label, split, file), strict=True):
                column.append(value)
    if wanted is not None and "label" in wanted and not any(columns["label"]):
        raise DataError(
            f"{place} has no folder that names a label; sort its files into one folder per label, "
            "or set data.format to lines if each file holds the texts of one label, a text per line"
        )
    if not any(columns["split"]):
        del columns["split"]
    kept = {name: values for name, values in columns.items() if wanted is None or name in wanted}
    replaced = replace_halves(kept, reading)
    return Table(place, tuple(columns), kept, "file", columns["file"], replaced, typed=False)


def text_files(place: str) -> list[str]:
    """Returns the paths of the files that hold texts, from the folder, sorted.

    Raises:
        DataError: there is none.
    """
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(folder).relative_to(place)
        found += [str(inside / name) for name in names if _holds_text(name)]
    if not found:
        raise DataError(f"{place} is a folder without .txt files; give a file, or a folder with a folder per label")
    return sorted(found)


def _holds_text(name: str) -> bool:
    """Some collections, as 20 Newsgroups, name texts by numbers alone."""
    return name.lower().endswith(".txt") or name.isdigit()


def _meaning(file: str, *, by_line: bool) -> tuple[str | None, str | None]:
    """Returns the split and the label of a file by its path."""
    path = Path(file)
    folders = [*path.parts[:-1], *([path.stem] if by_line else [])]
    split = folders.pop(0).lower() if folders and folders[0].lower() in SPLIT_WORDS else None
    label = folders[0] if folders and folders[0].lower() not in UNLABELLED else None
    return split, label


def _texts_by_line(path: Path, reading: Reading) -> Iterator[str]:
    for line in lines(str(path), reading, newline="\n"):
        yield line.removesuffix("\n").removesuffix("\r")
