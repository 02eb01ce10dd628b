"""Which rows a search in short form trains on."""

from dataclasses import replace

import numpy as np
import pytest

from textune.data.base import UNASSIGNED, Fold, Rows, Splits
from textune.data.redraw import Parts, folds_of
from textune.errors import DataError
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


@pytest.fixture
def dated(rows):
    """Twenty rows a month, from January 2020 on."""
    months = np.datetime64("2020-01", "M") + np.arange(N) // 20
    return replace(rows, dates_N=months.astype("datetime64[D]") + np.arange(N) % 20)


def test_a_window_keeps_the_newest_months_of_each_train_part(dated, splits):
    for number, fold in folds(dated, splits, window=2).items():
        whole = splits.folds[number]
        np.testing.assert_array_equal(fold.train, whole.train[-40:])
        np.testing.assert_array_equal(fold.valid, whole.valid)
    np.testing.assert_array_equal(folds(dated, splits, window=99)[0].train, splits.folds[0].train)


def test_a_window_that_begins_within_a_month_counts_whole_months(dated, splits):
    late = Splits((Fold(np.arange(0, 50), np.arange(60, 80)),), splits.test)
    np.testing.assert_array_equal(folds(dated, late, window=1)[0].train, np.arange(40, 50))


def test_a_window_of_rows_without_dates_is_refused(rows, dated, splits):
    with pytest.raises(DataError, match=r"short.window goes by the dates .* has no dates; .* data.date, or take"):
        folds(rows, splits, window=2)
    dated.dates_N[[3, 5]] = np.datetime64("NaT")
    with pytest.raises(DataError, match="has 2 rows without a date"):
        folds(dated, splits, window=2)


def test_a_window_of_one_class_is_refused(dated, splits):
    dated.labels_N[40:60] = 0
    with pytest.raises(DataError, match=r"the newest 1 of the months .* one class only"):
        folds(dated, splits, window=1)


def test_a_part_of_a_training_counts_epochs_and_rows_of_all_folds(dated, splits):
    parts = Parts(dated, splits, seed=1)

    def part(**short):
        return parts.of(TrialSpec(number=0, config={"training": {"epochs": 4}}, fidelity=Fidelity(**short)))

    assert part() == part(epochs=9) == 1
    assert part(epochs=1) == 1 / 4
    assert part(window=1) == pytest.approx(1 / 3)
    assert part(folds=1, epochs=2) == pytest.approx(1 / 6)
    assert part(share=0.5, folds=2) == pytest.approx(1 / 3, abs=0.02)
