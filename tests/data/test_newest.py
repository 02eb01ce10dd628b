"""The newest rows test, those before them choose, and no day is divided."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.data import TEST, UNASSIGNED, Examples, NewestConfig, Rows, Vocabulary, describe
from textune.errors import DataError

START = date(2024, 2, 25)


def make_rows(days, groups=None, split=None, scored=None):
    """Returns a row for each number of days after the start, in two classes by turns."""
    return Rows(
        texts=[f"text {row}" for row in range(len(days))],
        labels_N=np.arange(len(days)) % 2,
        classes=("bad", "good"),
        split_N=np.array(split or [UNASSIGNED] * len(days), dtype=np.int8),
        dates_N=np.array([START + timedelta(days=day) for day in days], "datetime64[D]"),
        groups_N=None if groups is None else np.array(groups),
        scored_N=None if scored is None else np.array(scored),
        fingerprint="",
    )


def days_of(rows, ids):
    return sorted({(day - START).days for day in rows.dates_N[ids].tolist()})


def parts(config, rows):
    """Returns the days of the train, valid and test rows."""
    splits = config.assign(rows, 0)
    (fold,) = splits.folds
    return tuple(days_of(rows, ids) for ids in (fold.train, fold.valid, splits.test))


NINE_DAYS = [day for day in range(9) for _ in range(10)]


class TestNineDays:
    def test_are_divided_by_shares(self):
        assert parts(NewestConfig(), make_rows(NINE_DAYS)) == ([*range(6)], [6], [7, 8])

    def test_are_divided_by_days(self):
        assert parts(NewestConfig(valid_days=3, test_days=1), make_rows(NINE_DAYS)) == ([*range(5)], [5, 6, 7], [8])

    def test_are_divided_by_days_and_a_share(self):
        assert parts(NewestConfig(valid_share=0.34, test_days=2), make_rows(NINE_DAYS))[1:] == ([4, 5, 6], [7, 8])

    def test_without_test_rows(self):
        assert parts(NewestConfig(test_share=0), make_rows(NINE_DAYS)) == ([*range(8)], [8], [])

    def test_count_days_without_rows(self):
        rows = make_rows([day * 2 for day in NINE_DAYS])
        assert parts(NewestConfig(valid_days=4, test_days=3), rows)[1:] == ([10, 12], [14, 16])

    def test_are_named_and_described(self):
        rows = make_rows(NINE_DAYS)
        splits = NewestConfig(valid_days=2, test_days=1).assign(rows, 0)
        assert splits.names == ("2024-03-02 … 2024-03-03",)
        assert splits.notes == ("test rows are of 2024-03-04",)
        examples = Examples(np.zeros(90, dtype=np.int32), np.arange(91))
        (found,) = describe(rows, splits, examples, Vocabulary(("[PAD]", "[UNK]")))["ranges"]
        assert found["train"] == {"rows": 60, "first": "2024-02-25", "last": "2024-03-01"}


class TestRowsThatDoNotTrain:
    def test_share_a_group_with_newer_ones_and_are_counted(self):
        rows = make_rows(NINE_DAYS, groups=[0 if row in (3, 65) else row + 1 for row in range(90)])
        splits = NewestConfig().assign(rows, 0)
        assert 3 not in splits.folds[0].train
        assert splits.notes[-1] == "1 row does not train: rows of the same group choose or test"

    def test_are_never_scored(self):
        rows = make_rows(NINE_DAYS, scored=[row % 2 == 0 or row < 60 for row in range(90)])
        splits = NewestConfig().assign(rows, 0)
        assert rows.scored_N[splits.test].all()
        assert rows.scored_N[splits.folds[0].valid].all()

    def test_test_rows_of_the_data_stay_test_rows(self):
        split = [TEST if row % 10 == 0 else UNASSIGNED for row in range(90)]
        train, valid, test = parts(NewestConfig(), make_rows(NINE_DAYS, split=split))
        assert (train, valid, test) == ([*range(8)], [8], [*range(9)])


@pytest.mark.parametrize(
    ("config", "rows", "sentence"),
    [
        (
            {},
            make_rows([0] * 9),
            "takes whole days, and of 1 with rows too few are left before those to test",
        ),
        ({}, make_rows([0, 0, 1, 1]), "of 2 with rows too few are left before those to test"),
        ({"valid_days": 9}, make_rows(NINE_DAYS), "of 7 with rows too few are left before those to choose by"),
        ({"test_days": 9}, make_rows(NINE_DAYS), "too few are left before those to test"),
        (
            {"test_days": 1, "valid_days": 1},
            make_rows([0, 0, 5, 5, 9, 9]),
            r"no rows to choose by in 2024-03-04 … 2024-03-04; the data has dates from 2024-02-25 to 2024-03-05",
        ),
        ({"test_days": 2}, make_rows(NINE_DAYS, split=[TEST] + [UNASSIGNED] * 89), "gives 1 test rows of its own"),
        ({}, make_rows(NINE_DAYS, split=[TEST] * 90), "all 90 rows are test rows"),
        ({}, make_rows(NINE_DAYS, groups=[0] * 90), r"none of 90 rows is left to train, .*data\.group"),
        (
            {"test_share": 0},
            make_rows(NINE_DAYS, groups=[0] * 90),
            r"trains on no rows, .* 80 rows of these dates are left out because rows of their groups \(data\.group\)",
        ),
    ],
)
def test_parts_without_rows_are_refused(config, rows, sentence):
    with pytest.raises(DataError, match=sentence):
        NewestConfig(**config).assign(rows, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"valid_share": 0.5, "test_share": 0.5}, "must leave rows to train"),
        ({"valid_share": 0.2, "valid_days": 3}, "gives 'valid_share' and 'valid_days'"),
        ({"test_share": 0.0, "test_days": 3}, "gives 'test_share' and 'test_days'"),
        ({"test_days": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_contradict_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        NewestConfig(**wrong)


configs = st.builds(
    NewestConfig,
    valid_share=st.sampled_from([0.05, 0.1, 0.45]),
    test_share=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
) | st.builds(NewestConfig, valid_days=st.integers(1, 9), test_days=st.none() | st.integers(1, 9))


@given(configs, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=4, max_size=60))
def test_what_trains_is_older_than_what_chooses_and_that_is_older_than_what_tests(config, drawn):
    rows = make_rows([day for day, _ in drawn], groups=[group for _, group in drawn])
    try:
        splits = config.assign(rows, 0)
    except DataError:
        assume(False)
    (fold,) = splits.folds
    train, valid, test = (rows.dates_N[ids] for ids in (fold.train, fold.valid, splits.test))
    assert train.max() < valid.min()
    assert not len(test) or valid.max() < test.min()
    assert not {*rows.groups_N[fold.train]} & {*rows.groups_N[fold.valid], *rows.groups_N[splits.test]}
    assert (len(test) > 0) == (config.test_days is not None or config.test_share > 0)
