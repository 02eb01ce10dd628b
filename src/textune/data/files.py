"""Data kind `files`: the user's own files and folders, local or at a URL."""

# N rows

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from textune.data.base import SPLIT_WORDS, TEST, TRAIN, UNASSIGNED, VALID, DataConfig, Rows
from textune.data.dates import known_format, read_days
from textune.data.locate import locate
from textune.data.reading import Reading
from textune.data.repeats import advice_to_group
from textune.data.sampling import fingerprinted, sample
from textune.data.tables import Table, read_table
from textune.data.tables.stored import is_stored, lost
from textune.data.text_columns import SEPARATOR, TextColumns, column_names, joined
from textune.data.values import (
    class_order,
    label_type,
    parse_cells,
    parse_label,
    parse_text,
    plain_value,
)
from textune.errors import DataError, quoted
from textune.registry import register

__all__ = ["FilesConfig", "Part", "join"]


Group = tuple[str | None, ...]
"""What the columns of `data.group` hold in a row; None where a cell is missing."""


class Columns(DataConfig):
    """Which files hold the rows, and what their columns mean."""

    path: str | None = Field(
        None,
        description="file or URL with all rows: csv, tsv, json, jsonl, parquet, xlsx or txt, also as gz, bz2, xz or "
        "zip; or a folder with a folder of txt files for each label",
    )
    train: str | None = Field(None, description="file of the train rows, in place of path")
    valid: str | None = Field(None, description="file of the valid rows")
    test: str | None = Field(None, description="file of the test rows")
    text: TextColumns = Field("text", description="column of the texts, or a list of columns to join")
    separator: str = Field(SEPARATOR, description="what stands between the cells of joined columns")
    label: str = Field("label", description="column of the labels, words or numbers")
    date: str | None = Field(None, description="column of the dates; the day counts as it is written")
    date_format: str | None = Field(
        None,
        description="how dates are written, as strptime has it ('%d.%m.%Y'; month names are English), or 'excel' or "
        "'unix' for numbers; null: ISO 8601, or whatever common form fits the whole column",
    )
    group: TextColumns | None = Field(
        None,
        description="column, or list of columns, whose equal values are never divided between train, valid and test",
    )
    split: str | None = Field(
        None, description="column that says train, valid or test; null: 'split', where it says so"
    )
    max_rows: int | None = Field(None, ge=2, description="rows to take at most, drawn per split and label; null: all")


@register("data", "files")
class FilesConfig(Reading, Columns):
    """Your own files. Rows without a text or a label are left out and counted."""

    @field_validator("date_format")
    @classmethod
    def _known_date_format(cls, date_format: str | None) -> str | None:
        return None if date_format is None else known_format(date_format)

    @model_validator(mode="after")
    def _one_source_of_train_rows(self) -> FilesConfig:
        if self.path is not None and self.train is not None:
            raise ValueError("give 'path' or 'train', not both")
        if self.path is None and self.train is None and (self.valid or self.test):
            raise ValueError("'valid' and 'test' need 'train' beside them")
        return self

    def load(self, folders: Sequence[Path], seed: int) -> Rows:
        splits = [split for path, split in self._files if path is not None]
        tables = [read_table(place, self.wanted, self) for place in self.find(folders)]
        days = _days(self, tables)
        parts = [Part(self, *each) for each in zip(tables, splits, days, strict=True)]
        return fingerprinted(sample(join(self, parts), self.max_rows, seed))

    def find(self, folders: Sequence[Path]) -> tuple[str, ...]:
        paths = [path for path, _ in self._files if path is not None]
        if any(is_stored(path) and not Path(path).exists() for path in paths):
            raise lost()
        places = tuple(locate(path, folders) for path in paths)
        if not places:
            raise DataError("data kind 'files' names no file; set data.path to a file or folder of yours")
        return places

    @property
    def keeping_equal_texts_together(self) -> str:
        return advice_to_group(self.text, self.group)

    @property
    def _files(self) -> tuple[tuple[str | None, int], ...]:
        return ((self.path, UNASSIGNED), (self.train, TRAIN), (self.valid, VALID), (self.test, TEST))

    @property
    def wanted(self) -> set[str]:
        """The columns that are used where they are there."""
        named = (*column_names(self.text), *column_names(self.group or ()), self.label, self.date, self.split, "split")
        return {column for column in named if column}

    @property
    def reading(self) -> Reading:
        """How the files are read, without which they are."""
        return Reading(**{name: getattr(self, name) for name in Reading.model_fields})


class Part:
    """The usable rows of one file, as columns of Python values.

    Args:
        config: what the columns mean.
        table: the file.
        given: the part that the file is, or UNASSIGNED.
        dates: of its rows, if they have some; None where one is missing.
    """

    def __init__(
        self, config: FilesConfig, table: Table, given: int, dates: Sequence[date | None] | None = None
    ) -> None:
        self.config = config
        self.table = table
        self.skipped: dict[str, list[int]] = {"no text": [], "no label": [], "no date": []}
        parts = [self._parsed(column, "text", parse_text) for column in column_names(config.text)]
        texts = joined(parts, config.separator)
        labels = self._parsed(config.label, "label", parse_label)
        grouping = [self._parsed(column, "group", parse_label) for column in column_names(config.group or ())]
        groups = list(zip(*grouping, strict=True)) if grouping else None
        splits = self._splits(config.split) if given == UNASSIGNED else None
        usable = [self._usable(row, texts, labels, dates) for row in range(len(table))]
        places = range(len(table)) if table.places is None else table.places
        self.places_N = np.fromiter(compress(places, usable), dtype=np.int64)
        self.num_places = places[-1] + 1 if places else 0
        self.texts = [text or "" for text in compress(texts, usable)]
        self.labels: list[str] = list(compress(labels, usable))
        self.label_types = self._types(config.label, usable)
        self.dates: list[date | None] | None = list(compress(dates, usable)) if dates else None
        self.groups: list[Group] | None = list(compress(groups, usable)) if groups else None
        self.splits: list[int] = list(compress(splits, usable)) if splits else [given] * len(self.texts)
        self.replaced = sorted(row for row in table.replaced if usable[row])

    def _usable(self, row: int, texts: Sequence[Any], labels: list[Any], dates: Sequence[Any] | None) -> bool:
        for reason, column in (("no text", texts), ("no label", labels), ("no date", dates)):
            if column is not None and column[row] is None:
                self.skipped[reason].append(row)
                return False
        return True

    def _column(self, column: str, setting: str) -> Sequence[Any]:
        return _column(self.table, column, setting, self.config)

    def _parsed(self, column: str, setting: str, parse: Callable[[Any], Any]) -> list[Any]:
        return parse_cells(self._column(column, setting), parse, partial(self.table.cell, column))

    def _types(self, column: str, usable: Sequence[bool]) -> set[type]:
        """Returns the types of cells that are not missing; a text of a file that has nothing but texts says nothing."""
        cells = compress(self.table.columns[column], usable)
        return {type(plain_value(cell)) for cell in cells} - (set() if self.table.typed else {str})

    def _splits(self, column: str | None) -> list[int] | None:
        """Reads the split column; one that is not named counts only where one of its values is a split."""
        used = (self.config.label, *column_names(self.config.text))
        if column is None and ("split" not in self.table.columns or "split" in used):
            return None
        words = [_word(value) for value in self._column(column or "split", "split")]
        if column is None and not SPLIT_WORDS.keys() & set(words):
            return None
        for row, word in enumerate(words):
            if word and word not in SPLIT_WORDS:
                raise DataError(
                    f"{self.table.where(row)}: column '{column or 'split'}' holds {quoted(word)}; "
                    "allowed: train, valid, test, or nothing; rename the column if it means something else"
                )
        return [SPLIT_WORDS.get(word, UNASSIGNED) for word in words]

    def reasons(self) -> dict[str, int]:
        return {self._first(why, rows): len(rows) for why, rows in self.skipped.items() if rows}

    def changes(self) -> dict[str, int]:
        rows = self.replaced
        return {self._first("what is no text became U+FFFD", rows): len(rows)} if rows else {}

    def _first(self, why: str, rows: Sequence[int]) -> str:
        return f"{why} (first: {self.table.where(rows[0])})"


def _column(table: Table, column: str, setting: str, config: FilesConfig) -> Sequence[Any]:
    if not table.has(column):
        raise table.refusal(column, setting, config)
    return table.columns[column]


def _days(config: FilesConfig, tables: Sequence[Table]) -> Sequence[Sequence[date | None] | None]:
    """Returns the days of each file's rows: all files write them alike."""
    column = config.date
    if column is None:
        return [None] * len(tables)
    columns = [_column(table, column, "date", config) for table in tables]
    return read_days(columns, config.date_format, lambda number, row: tables[number].cell(column, row))


def join(config: FilesConfig, parts: Sequence[Part], order: Sequence[str] = ()) -> Rows:
    """Returns the rows of all parts. Classes stand in the given order, where there is one.

    Raises:
        DataError: there are no usable rows, or too few or too many classes.
    """
    sources = tuple(part.table.name for part in parts)
    skipped = {why: count for part in parts for why, count in part.reasons().items()}
    labels = [label for part in parts for label in part.labels]
    kind = label_type(set(labels), set[type]().union(*(part.label_types for part in parts)))
    if kind == "boolean":  # "true" of JSON, "True" of Python and "TRUE" of a spreadsheet
        labels = [label.lower() for label in labels]
    where = ", ".join(sources)
    if not labels:
        columns = " and ".join(f"'{column}'" for column in (*column_names(config.text), config.label))
        counts = ", ".join(f"{count} with {why}" for why, count in skipped.items())
        raise DataError(f"{where} has no usable row: {counts}; check columns {columns}")
    found = set(labels)
    classes = tuple(name for name in order if name in found) if found.issubset(order) else class_order(found)
    another = config.way("label", "another column")
    if len(classes) < 2:
        raise DataError(
            f"{where}: column '{config.label}' holds the one class {quoted(classes[0])} in {len(labels):,} rows; "
            f"a classifier needs two; add rows of another class, or {another}"
        )
    if len(classes) > max(100, len(labels) // 2):
        raise DataError(
            f"{where}: column '{config.label}' holds {len(classes):,} different values in {len(labels):,} rows, "
            f"too many for classes; {another}"
        )
    index = {label: position for position, label in enumerate(classes)}
    dates = [day for part in parts for day in part.dates or ()]
    groups = [group for part in parts for group in part.groups or ()]
    firsts = np.cumsum([0, *(part.num_places for part in parts[:-1])])
    return Rows(
        texts=[text for part in parts for text in part.texts],
        labels_N=np.array([index[label] for label in labels], dtype=np.int64),
        classes=classes,
        label_type=kind,
        split_N=np.array([split for part in parts for split in part.splits], dtype=np.int8),
        groups_N=_group_numbers(groups) if config.group else None,
        dates_N=np.array(dates, dtype="datetime64[D]") if config.date else None,
        source_rows_N=np.concatenate([first + part.places_N for first, part in zip(firsts, parts, strict=True)]),
        skipped=skipped,
        changed={why: count for part in parts for why, count in part.changes().items()},
        sources=sources,
        fingerprint="",
    )


def _group_numbers(groups: Sequence[Group]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Numbers groups in the order they come; a row without one is a group of its own."""
    numbers: dict[Group | int, int] = {}
    keys = (group if any(group) else row for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _word(value: Any) -> str:
    """Returns what may name a split."""
    try:
        return (parse_label(value) or "").lower()
    except ValueError:
        return str(value)
