"""Data kind `hub`: Hugging Face data sets that lie on this machine. Nothing is ever downloaded."""

# N rows

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from textune.data.base import SPLIT_WORDS, TEST, TRAIN, VALID, DataConfig, Rows
from textune.data.files import FilesConfig, Part, join
from textune.data.locate import locate_set
from textune.data.repeats import advice_to_group
from textune.data.sampling import fingerprinted, sample
from textune.data.tables import Table, shortest_floats
from textune.data.text_columns import SEPARATOR, TextColumns, column_names
from textune.errors import DataError, MissingDependencyError, plain
from textune.registry import register
from textune.surroundings import hushed
from textune.temporary import scratch_folder

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["HubConfig"]

SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves of a set with splits, and of one without."""


@register("data", "hub")
class HubConfig(DataConfig):
    """A Hugging Face data set, from a folder or the local caches. Its class names are kept, in their order."""

    path: str | None = Field(None, description="its name on the Hugging Face hub, or a folder that holds it")
    subset: str | None = Field(None, description="which of its configurations, where it has several")
    revision: str | None = Field(None, description="branch, tag or commit of the hub's copy; null: main")
    text: TextColumns = Field("text", description="column of the texts, or a list of columns to join")
    separator: str = Field(SEPARATOR, description="what stands between the cells of joined columns")
    label: str = Field("label", description="column of the labels; a row of label -1 has none")
    group: TextColumns | None = Field(
        None,
        description="column, or list of columns, whose equal values are never divided between train, valid and test",
    )
    train: str | None = Field(None, description="its split of the train rows; null: 'train'")
    valid: str | None = Field(None, description="its split of the valid rows; null: 'validation', 'valid' or 'dev'")
    test: str | None = Field(None, description="its split of the test rows; null: 'test'")
    max_rows: int | None = Field(None, ge=2, description="rows to take at most, drawn per split and label; null: all")

    @property
    def keeping_equal_texts_together(self) -> str:
        return advice_to_group(self.text, self.group)

    def find(self, folders: Sequence[Path]) -> tuple[str, ...]:
        if self.path is None:
            raise DataError("data kind 'hub' names no data set; set data.path to its name on the hub, or to a folder")
        found = locate_set("", (self.path,), folders)
        place = Path(found[0]) if found else _in_hub_cache(self.path, self.revision)
        place = place or _in_library_cache(self.path, self.subset, self.revision)
        if place is None:
            places = " and ".join(dict.fromkeys(str(folder.absolute()) for folder in folders or (Path(),)))
            raise DataError(
                plain(
                    f"there is no data set '{self.path}' on this machine: looked in {places} and in the Hugging Face "
                    f"caches; either download it while online (hf download --repo-type dataset {self.path}), or name a "
                    "folder with its files (parquet, csv, jsonl, or as save_to_disk writes them) as data.path, or set "
                    "HF_HUB_CACHE or HF_DATASETS_CACHE to a cache that holds it"
                )
            )
        if not place.is_dir():
            raise DataError(plain(f"{place} is a file; data kind 'files' reads it"))
        return (str(place),)

    def load(self, folders: Sequence[Path], seed: int) -> Rows:
        folder = Path(self.find(folders)[0])
        with scratch_folder() as scratch:
            splits = _splits(folder, self.subset, scratch)
            rows = self._rows(folder, splits)
        return fingerprinted(sample(rows, self.max_rows, seed))

    def _rows(self, folder: Path, splits: Mapping[str, Dataset]) -> Rows:
        columns = FilesConfig(text=self.text, separator=self.separator, label=self.label, group=self.group)
        parts: list[Part] = []
        order: tuple[str, ...] = ()
        named = self._named(folder, splits)
        for part, name in named.items():
            table, order = _table(f"{folder}, split '{name}'", splits[name], columns)
            parts.append(Part(columns, table, part))
        rows = join(columns, parts, order)
        unused = {
            f"split '{name}' is none of train, valid and test": len(each)
            for name, each in splits.items()
            if name not in named.values()
        }
        return replace(rows, sources=(str(folder),), skipped={**rows.skipped, **unused})

    def _named(self, folder: Path, splits: Mapping[str, Dataset]) -> dict[int, str]:
        """Returns the split of the train rows, and those of the valid and test rows where there are any."""
        named: dict[int, str] = {}
        for part, setting, name in (
            (TRAIN, "train", self.train),
            (VALID, "valid", self.valid),
            (TEST, "test", self.test),
        ):
            if name is not None and name not in splits:
                raise _no_split(folder, name, setting, splits)
            found = name or next((each for each in splits if SPLIT_WORDS.get(each.lower()) == part), None)
            if found is not None:
                named[part] = found
        if TRAIN not in named:
            raise _no_split(folder, "train", "train", splits)
        return named


def _no_split(folder: Path, name: str, setting: str, splits: Collection[str]) -> DataError:
    return DataError(plain(f"{folder} has no split '{name}'; set data.{setting} to one of: {', '.join(splits)}"))


def _table(name: str, rows: Dataset, columns: FilesConfig) -> tuple[Table, tuple[str, ...]]:
    """Returns the columns that count as those of a file, and the class names in their order, if the set tells it."""
    wanted = {columns.label, *column_names(columns.text), *column_names(columns.group or ())}
    kept = {column: _cells(rows, column) for column in wanted if column in rows.features}
    classes: tuple[str, ...] = tuple(getattr(rows.features.get(columns.label), "names", None) or ())
    if classes:
        labels = kept[columns.label]
        kept[columns.label] = [classes[label] if label is not None and label >= 0 else None for label in labels]
    names = tuple(dict.fromkeys((*rows.column_names, *kept)))
    return Table(name, names, kept, "row", range(1, len(rows) + 1)), classes


def _cells(rows: Dataset, column: str) -> list[Any]:
    width = getattr(rows.features[column], "dtype", None)
    if width not in ("float16", "float32"):
        return list(rows[column])
    return shortest_floats(rows[column], np.float16 if width == "float16" else np.float32)


def _library() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        if error.name != "datasets":
            raise
        raise MissingDependencyError("data kind 'hub'", "datasets", "hub") from error
    return datasets


@contextmanager
def _quiet() -> Iterator[None]:
    datasets = _library()
    with hushed(datasets.logging, datasets):
        yield


@_quiet()
def _splits(folder: Path, subset: str | None, scratch: Path) -> Mapping[str, Dataset]:
    """Opens what lies in a folder: a set as saved, as the library keeps it in its cache, or files of data.

    Args:
        folder: of the set.
        subset: of files, which of the configurations they are divided into.
        scratch: where the library writes files of data in its own way.
    """
    datasets = _library()
    try:
        if any((folder / name).is_file() for name in SAVED):
            saved = datasets.load_from_disk(str(folder))
            return saved if isinstance(saved, dict) else {str(saved.split or "train"): saved}
        if (folder / "dataset_info.json").is_file():
            return _kept_by_the_library(folder)
        splits: Mapping[str, Dataset] = datasets.load_dataset(str(folder), subset, cache_dir=str(scratch))
    except Exception as error:  # whatever the library and the formats that it reads raise
        reason = " ".join(str(error).split())[:300]
        raise DataError(plain(f"{folder} cannot be read as a data set: {reason}")) from error
    return splits


def _kept_by_the_library(folder: Path) -> dict[str, Dataset]:
    datasets = _library()
    names = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))["splits"]
    splits = {}
    for name in names:
        files = sorted({*folder.glob(f"*-{name}.arrow"), *folder.glob(f"*-{name}-*-of-*.arrow")})
        splits[name] = datasets.concatenate_datasets([datasets.Dataset.from_file(str(file)) for file in files])
    return splits


@_quiet()
def _in_hub_cache(name: str, revision: str | None) -> Path | None:
    """Returns what `hf download` left of a data set."""
    from huggingface_hub import snapshot_download

    try:
        cache = os.environ.get("HF_HUB_CACHE")
        return Path(
            snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=cache, local_files_only=True)
        )
    except (OSError, ValueError):  # it is not there, or has a name that the hub could not have
        return None


def _in_library_cache(name: str, subset: str | None, revision: str | None) -> Path | None:
    """Returns what `load_dataset` left of a data set, the newest version where there are several.

    Raises:
        DataError: there are several configurations, and none is named.
    """
    datasets = _library()
    from datasets.naming import camelcase_to_snakecase

    *owner, own = name.split("/")
    root = Path(os.environ.get("HF_DATASETS_CACHE") or datasets.config.HF_DATASETS_CACHE)
    set_folder = root / "___".join((*owner, camelcase_to_snakecase(own)))
    try:
        entries = [entry for entry in set_folder.glob("*/*/*") if (entry / "dataset_info.json").is_file()]
    except (OSError, ValueError):  # a name that no file can have
        return None
    wanted = [
        entry for entry in entries if subset in {None, entry.parent.parent.name} and revision in {None, entry.name}
    ]
    names = sorted({entry.parent.parent.name for entry in wanted})
    if len(names) > 1:
        raise DataError(
            plain(f"of '{name}' the cache {root} holds {', '.join(names)}; set data.subset to the one that is meant")
        )
    return max(wanted, key=lambda entry: entry.stat().st_mtime, default=None)
