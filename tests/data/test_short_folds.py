"""Which rows a search in short form trains on."""

import numpy as np
import pytest

from textune.data.base import UNASSIGNED, Fold, Rows, Splits
from textune.data.redraw import folds_of
from textune.records import Fidelity, TrialSpec

N = 200


@pytest.fixture
def rows():
    groups_N = np.arange(N) // 2
    labels_N = np.arange(N) // 2 % 2
    texts, no_split_N = [f"text {row}" for row in range(N)], np.full(N, UNASSIGNED)
    return Rows(texts, labels_N, ("no", "yes"), no_split_N, "fingerprint", groups_N)


@pytest.fixture
def splits():
    everything, none = np.arange(N), np.array([], np.int64)
    folds = [Fold(np.arange(end - 60, end), everything[end : end + 20]) for end in (60, 100, 140)]
    return Splits(tuple(folds), none)


def folds(rows, splits, *, aside=False, **short):
    return folds_of(TrialSpec(number=0, fidelity=Fidelity(**short), aside=aside), rows, splits, seed=1)


def test_a_share_keeps_labels_in_proportion_and_groups_whole(rows, splits):
    for number, fold in folds(rows, splits, share=0.5).items():
        whole = splits.folds[number]
        assert set(fold.train) < set(whole.train)
        assert len(fold.train) == pytest.approx(len(whole.train) / 2, abs=2)
        assert rows.labels_N[fold.train].mean() == pytest.approx(0.5, abs=0.05)
        assert all((rows.groups_N[fold.train] == group).sum() == 2 for group in rows.groups_N[fold.train])
        np.testing.assert_array_equal(fold.valid, whole.valid)


def test_a_larger_share_is_drawn_for_all_trials_alike(rows, splits):
    first, second = (folds(rows, splits, share=0.25)[0].train for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_newest_folds_are_the_last(rows, splits):
    assert list(folds(rows, splits, folds=2)) == [1, 2]
    assert list(folds(rows, splits, folds=9)) == [0, 1, 2]


def test_a_share_is_kept_to_where_rows_are_set_aside(rows, splits):
    whole, part = (folds(rows, splits, aside=True, share=share)[0].train for share in (None, 0.5))
    assert set(part) < set(whole) < set(splits.folds[0].train)
    assert len(part) == pytest.approx(len(whole) / 2, abs=2)
