"""Data kind `imdb`: the Large Movie Review Dataset.

Source: Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from textune.data.base import TEST, TRAIN, DataConfig, Rows
from textune.data.content import read_bytes, too_large
from textune.data.locate import locate_set, missing_set
from textune.data.reading import MAX_BYTES, Reading
from textune.data.sampling import fingerprinted, sample
from textune.data.tables import read_table
from textune.errors import DataError
from textune.registry import register
from textune.storage import redact

__all__ = ["ImdbConfig"]

CLASSES = ("negative", "positive")
SPLITS = {"train": TRAIN, "test": TEST}
PARQUET = tuple(f"{split}.parquet" for split in SPLITS)
FOLDERS = tuple(f"{split}/{part}" for split in SPLITS for part in ("neg", "pos"))
WAYS = (
    "download aclImdb_v1.tar.gz from https://ai.stanford.edu/~amaas/data/sentiment/ and unpack it into that folder "
    "(train/pos, train/neg, test/pos, test/neg), or put train.parquet and test.parquet (columns text, label) there"
)


@register("data", "imdb")
class ImdbConfig(DataConfig):
    """IMDb: 50,000 film reviews, half positive, half for test. Texts are as published, tags included."""

    path: str = Field("imdb", description="the aclImdb folder, or a folder of train.parquet and test.parquet")
    max_rows: int | None = Field(None, ge=2, description="rows to take at most, drawn per split and label; null: all")
    max_bytes: int = Field(MAX_BYTES, ge=1, description="what a file or folder may hold; guards the memory")

    def find(self, folders: Sequence[Path]) -> tuple[str, ...]:
        places = locate_set(self.path, PARQUET, folders) or locate_set(self.path, FOLDERS, folders)
        if places is None:
            raise missing_set("The IMDb review set", self.path, WAYS, folders)
        return places

    def load(self, folders: Sequence[Path], seed: int) -> Rows:
        places = self.find(folders)
        reading = Reading(max_bytes=self.max_bytes)
        if len(places) == len(PARQUET):
            parts = [_read_parquet(place, reading) for place in places]
        else:
            folder = Path(places[0]).parent.parent
            parts = [_read_folder(folder / split, reading) for split in SPLITS]
        sizes = [len(labels) for _, labels in parts]
        rows = Rows(
            texts=[text for texts, _ in parts for text in texts],
            labels_N=np.array([label for _, labels in parts for label in labels], dtype=np.int64),
            classes=CLASSES,
            split_N=np.repeat(np.array(list(SPLITS.values()), dtype=np.int8), sizes),
            sources=tuple(redact(place) for place in places),
            fingerprint="",
        )
        return fingerprinted(sample(rows, self.max_rows, seed))


def _read_parquet(place: str, reading: Reading) -> tuple[list[str], list[int]]:
    table = read_table(place, ("text", "label"), reading)
    if table.columns.keys() != {"text", "label"}:
        raise DataError(f"{table.name} needs the columns text and label; {WAYS}")
    texts, labels = list(table.columns["text"]), list(table.columns["label"])
    for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if label not in (0, 1) or not isinstance(text, str):
            raise DataError(f"{table.where(row)} must have a text and the label 0 (negative) or 1 (positive); {WAYS}")
    return texts, labels


def _read_folder(folder: Path, reading: Reading) -> tuple[list[str], list[int]]:
    texts: list[str] = []
    labels: list[int] = []
    num_bytes = 0
    for label, part in enumerate(("neg", "pos")):
        files = sorted((folder / part).glob("*.txt"))
        if not files:
            raise DataError(f"{folder / part} holds no .txt file; {WAYS}")
        for file in files:
            num_bytes += file.stat().st_size
            if num_bytes > reading.max_bytes:
                raise too_large(str(folder), reading)
            try:
                texts.append(read_bytes(str(file), reading).decode())
            except UnicodeDecodeError as error:
                raise DataError(f"{file} is not utf-8 at byte {error.start}; unpack the archive again") from error
            labels.append(label)
    return texts, labels
