"""What is reported of the rows before anything is trained."""

import numpy as np

from textune.data import Fold, Rows, Splits, data_line


def rows(num_rows, **columns):
    return Rows(
        texts=[f"text {row}" for row in range(num_rows)],
        labels_N=np.arange(num_rows) % 2,
        classes=("neg", "pos"),
        split_N=np.full(num_rows, -1, dtype=np.int8),
        fingerprint="",
        **columns,
    )


def fold(num_train, num_valid):
    return Fold(train=np.arange(num_train), valid=np.arange(num_train, num_train + num_valid))


class TestTheFirstLineOfARun:
    def test_names_the_source_and_the_rows_of_each_part(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        sources = (str(tmp_path / "data" / "a.csv"), "/elsewhere/b.csv")
        splits = Splits((fold(1200, 300),), np.arange(1500, 2000))
        assert data_line(rows(2000, sources=sources), splits) == (
            "data/a.csv, /elsewhere/b.csv: 2,000 rows; train 1,200, valid 300, test 500"
        )

    def test_says_of_several_folds_how_many_there_are(self):
        splits = Splits((fold(6, 3), fold(6, 3), fold(6, 3)), np.arange(0))
        sources = tuple(f"{name}.csv" for name in "abcde")
        assert data_line(rows(9, sources=sources), splits) == (
            "a.csv, b.csv, c.csv, 2 more: 9 rows; 3 folds (train 6, valid 3 in the first), test 0"
        )
