"""Laws of the rows that a confirmation scores and trains on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textune.data import GivenConfig, HoldoutConfig, KfoldConfig, Rows
from textune.data.base import UNASSIGNED
from textune.data.redraw import ESTIMATE_SHARE, LEAST_SHARE, MOST_SHARE, folds_of, redraw
from textune.errors import DataError
from textune.records import Repeat, TrialSpec

NUM_DRAWS = 4


def make_rows(labels, groups=None, scored=None) -> Rows:
    count = len(labels)
    return Rows(
        texts=[f"text {row}" for row in range(count)],
        labels_N=np.array(labels, dtype=np.int64),
        classes=tuple(f"class {label}" for label in range(max(labels) + 1)),
        split_N=np.full(count, UNASSIGNED, dtype=np.int8),
        groups_N=None if groups is None else np.array(groups, dtype=np.int64),
        scored_N=None if scored is None else np.array(scored, dtype=np.bool_),
        fingerprint="",
    )


@st.composite
def any_rows(draw) -> Rows:
    count = draw(st.integers(30, 150))

    def column(values):
        return draw(st.lists(values, min_size=count, max_size=count))

    return make_rows(
        column(st.integers(0, 2)),
        column(st.integers(0, count // 2)) if draw(st.booleans()) else None,
        column(st.booleans()) if draw(st.booleans()) else None,
    )


configs = st.one_of(
    st.builds(GivenConfig, valid_share=st.sampled_from([0.1, 0.3])),
    st.builds(HoldoutConfig, valid_share=st.sampled_from([0.1, 0.25]), test_share=st.sampled_from([0.0, 0.2])),
)


def split(rows, config, seed):
    """The split, and the folds of some races and of some estimates."""
    try:
        splits = config.assign(rows, seed)
        races = [redraw(rows, splits, seed, number) for number in range(NUM_DRAWS)]
        estimates = []
        if not len(splits.test):
            estimates = [redraw(rows, splits, seed, number, estimate=True) for number in range(NUM_DRAWS)]
    except DataError:
        assume(False)
    return splits, races, estimates


def groups_of(rows, ids):
    return set((ids if rows.groups_N is None else rows.groups_N[ids]).tolist())


@settings(deadline=None, max_examples=60)
@given(any_rows(), configs, st.integers(0, 3))
def test_laws_of_every_draw(rows, config, seed):
    splits, races, estimates = split(rows, config, seed)
    searched = splits.folds[0]
    for fold in (*races, *estimates):
        assert len(fold.valid)
        assert np.array_equal(fold.valid, np.unique(fold.valid)), "sorted, no row twice"
        assert not groups_of(rows, fold.train) & groups_of(rows, fold.valid), "nothing of a scored row trains"
        assert not groups_of(rows, fold.valid) & groups_of(rows, searched.valid), "the search scored none of them"
        assert set(fold.valid.tolist()) <= set(searched.train.tolist())
        assert not set(np.union1d(fold.train, fold.valid).tolist()) & set(splits.test.tolist())
        assert set(searched.valid.tolist()) <= set(fold.train.tolist()), "what the search scored trains now"
        if rows.scored_N is not None:
            assert rows.scored_N[fold.valid].all()
    raced = {row for fold in races for row in groups_of(rows, fold.valid)}
    estimated = {row for fold in estimates for row in groups_of(rows, fold.valid)}
    assert not raced & estimated, "no race draws what an estimate may"


@settings(deadline=None, max_examples=30)
@given(any_rows(), configs, st.integers(0, 3))
def test_a_draw_is_a_function_of_seed_and_number(rows, config, seed):
    _, races, estimates = split(rows, config, seed)
    _, again, others = split(rows, config, seed)
    for one, other in zip((*races, *estimates), (*again, *others), strict=True):
        assert np.array_equal(one.valid, other.valid)
        assert np.array_equal(one.train, other.train)


@pytest.mark.parametrize("test_share", [0.0, 0.2])
def test_draws_differ_and_reach_every_row_in_time(test_share):
    rows = make_rows([row % 2 for row in range(300)])
    splits = HoldoutConfig(valid_share=0.2, test_share=test_share).assign(rows, 1)
    drawn = [frozenset(redraw(rows, splits, 1, number).valid.tolist()) for number in range(60)]
    assert len(set(drawn)) == 60
    reached = len(frozenset.union(*drawn))
    wanted = len(splits.folds[0].train) * (1 if test_share else 1 - ESTIMATE_SHARE)
    assert reached == pytest.approx(wanted, abs=1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=200), st.sampled_from([0.05, 0.15, 0.4]), st.integers(0, 3))
def test_as_many_rows_as_the_search_scored_within_bounds_and_labels_in_proportion(labels, valid_share, seed):
    rows = make_rows(labels)
    splits, races, _ = split(rows, HoldoutConfig(valid_share=valid_share, test_share=0.2), seed)
    pool, wanted = splits.folds[0].train, len(splits.folds[0].valid)
    size = min(max(wanted, LEAST_SHARE * len(pool)), MOST_SHARE * len(pool))
    for fold in races:
        assert len(fold.valid) == pytest.approx(size, abs=1)
        share = len(fold.valid) / len(pool)
        for label in range(3):
            of_label = int((rows.labels_N[pool] == label).sum())
            assert int((rows.labels_N[fold.valid] == label).sum()) == pytest.approx(share * of_label, abs=2)


def test_rows_of_folds_are_drawn_from_all_as_the_search_scored_them_all():
    rows = make_rows([row % 2 for row in range(100)])
    splits = KfoldConfig(folds=5).assign(rows, 1)
    fold = redraw(rows, splits, 1, 0)
    assert len(np.union1d(fold.train, fold.valid)) == 100
    assert not np.intersect1d(fold.train, fold.valid).size


class TestOfATrial:
    ROWS = make_rows([row % 2 for row in range(200)])
    SPLITS = HoldoutConfig(valid_share=0.2, test_share=0.2).assign(ROWS, 1)

    def folds(self, **spec):
        return folds_of(TrialSpec(number=7, **spec), self.ROWS, self.SPLITS, 1)

    def test_a_search_and_its_training_in_full_have_the_folds_of_the_split(self):
        for repeat in (None, Repeat(number=0, purpose="full")):
            (fold,) = self.folds(repeat=repeat).values()
            assert np.array_equal(fold.valid, self.SPLITS.folds[0].valid)

    def test_repeats_of_one_number_share_their_rows_whatever_they_train(self):
        one, other = (self.folds(repeat=Repeat(number=3), params={"x": x})[0] for x in (1, 2))
        assert np.array_equal(one.valid, other.valid)
        assert not np.array_equal(one.valid, self.folds(repeat=Repeat(number=4))[0].valid)

    def test_rows_set_aside_are_in_no_search_and_score_every_repeat(self):
        (searched,) = self.folds(aside=True).values()
        (first,), (second,) = (
            self.folds(aside=True, repeat=Repeat(number=number, rows="holdout")).values() for number in (0, 1)
        )
        assert np.array_equal(first.valid, second.valid)
        assert not np.intersect1d(first.valid, np.union1d(searched.train, searched.valid)).size
        assert np.array_equal(first.train, np.union1d(searched.train, searched.valid))

    def test_the_same_rows_are_those_of_the_search(self):
        (fold,) = self.folds(repeat=Repeat(number=2, rows="same")).values()
        assert np.array_equal(fold.valid, self.SPLITS.folds[0].valid)


def test_too_few_rows_are_told():
    rows = make_rows([0, 1] * 6, groups=[0, 1] * 3 + [2] * 6)
    with pytest.raises(DataError, match=r"too few to draw some of them; add rows, or set confirm: off"):
        redraw(rows, GivenConfig(valid_share=0.3).assign(rows, 1), 1, 0)
