from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textune.data import TEST, TRAIN, ImdbConfig
from textune.errors import DataError

REVIEWS = {
    "train": [("Dire.<br /><br />Avoid", 0), ("So\x85 bad\r\n", 0), ("Great", 1)],
    "test": [("Meh", 0), ("Superb é", 1)],
}


def write_parquet(folder: Path, reviews=REVIEWS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in reviews.items():
        table = pa.Table.from_pylist(
            [{"id": str(i), "text": text, "label": label} for i, (text, label) in enumerate(rows)]
        )
        pq.write_table(table, folder / f"{split}.parquet")


def write_folder(folder: Path) -> None:
    for split, rows in REVIEWS.items():
        for number, (text, label) in enumerate(rows):
            part = folder / split / ("neg", "pos")[label]
            part.mkdir(parents=True, exist_ok=True)
            (part / f"{number}_{label}.txt").write_bytes(text.encode())


@pytest.mark.parametrize("write", [write_parquet, write_folder])
def test_both_layouts_give_the_texts_untouched(tmp_path, write):
    write(tmp_path / "imdb")
    rows = ImdbConfig().load([tmp_path], 0)
    assert rows.texts == [text for part in REVIEWS.values() for text, _ in part]
    assert [rows.classes[label] for label in rows.labels_N] == [
        "negative",
        "negative",
        "positive",
        "negative",
        "positive",
    ]
    assert rows.split_N.tolist() == [TRAIN] * 3 + [TEST] * 2


def test_layouts_have_one_fingerprint(tmp_path):
    write_parquet(tmp_path / "a")
    write_folder(tmp_path / "b")
    one, other = (ImdbConfig(path=path).load([tmp_path], 0).fingerprint for path in "ab")
    assert one == other
    write_parquet(tmp_path / "a", {**REVIEWS, "test": [("Meh.", 0), ("Superb é", 1)]})
    assert ImdbConfig(path="a").load([tmp_path], 0).fingerprint != one


def test_a_missing_set_says_the_ways_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        ImdbConfig().find([tmp_path])
    for part in (str(tmp_path), "aclImdb_v1.tar.gz", "ai.stanford.edu", "train.parquet", "data.path", "TEXTUNE_DATA"):
        assert part in str(caught.value)


def test_broken_reviews_are_named(tmp_path):
    write_parquet(tmp_path / "imdb", {**REVIEWS, "train": [("Great", 1), ("Odd", 7)]})
    with pytest.raises(DataError, match=r"train\.parquet, row 2 must have a text and the label 0"):
        ImdbConfig().load([tmp_path], 0)
    pq.write_table(pa.table({"review": ["Great"], "label": [1]}), tmp_path / "imdb" / "train.parquet")
    with pytest.raises(DataError, match=r"train\.parquet needs the columns text and label"):
        ImdbConfig().load([tmp_path], 0)


def test_broken_folders_are_named(tmp_path):
    write_folder(tmp_path / "imdb")
    (tmp_path / "imdb" / "test" / "neg" / "0_0.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"0_0\.txt is not utf-8 at byte 3"):
        ImdbConfig().load([tmp_path], 0)
    (tmp_path / "imdb" / "test" / "neg" / "0_0.txt").unlink()
    with pytest.raises(DataError, match=r"neg holds no \.txt file"):
        ImdbConfig().load([tmp_path], 0)


@pytest.fixture
def real() -> list[Path]:
    folder = Path(os.environ.get("TEXTUNE_DATA", ""))
    if not os.environ.get("TEXTUNE_DATA") or not (folder / "imdb" / "train.parquet").exists():
        pytest.skip("TEXTUNE_DATA holds no imdb/train.parquet")
    return [folder]


def test_the_published_counts(real):
    rows = ImdbConfig().load(real, 0)
    assert len(rows) == 50_000
    assert [np.bincount(rows.labels_N[rows.split_N == split]).tolist() for split in (TRAIN, TEST)] == [
        [12_500, 12_500]
    ] * 2
    assert len(set(rows.texts)) == 49_582
    few = ImdbConfig(max_rows=400).load(real, 0)
    assert [np.bincount(few.labels_N[few.split_N == split]).tolist() for split in (TRAIN, TEST)] == [[100, 100]] * 2
