from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.data import TEST, TRAIN, UNASSIGNED, VALID, GivenConfig, HoldoutConfig, KfoldConfig, Rows
from textune.errors import DataError


def make_rows(labels, split=None, groups=None, scored=None) -> Rows:
    count = len(labels)
    return Rows(
        texts=[f"text {row}" for row in range(count)],
        labels_N=np.array(labels, dtype=np.int64),
        classes=tuple(f"class {label}" for label in range(max(labels) + 1)),
        split_N=np.array([UNASSIGNED] * count if split is None else split, dtype=np.int8),
        groups_N=None if groups is None else np.array(groups, dtype=np.int64),
        scored_N=None if scored is None else np.array(scored, dtype=np.bool_),
        fingerprint="",
    )


@st.composite
def any_rows(draw) -> Rows:
    count = draw(st.integers(2, 80))

    def column(values):
        return draw(st.lists(values, min_size=count, max_size=count))

    return make_rows(
        column(st.integers(0, 3)),
        column(st.sampled_from([UNASSIGNED, TRAIN, VALID, TEST])),
        column(st.integers(0, count // 2)) if draw(st.booleans()) else None,
        column(st.booleans()) if draw(st.booleans()) else None,
    )


configs = st.one_of(
    st.builds(GivenConfig, valid_share=st.sampled_from([0.1, 0.3])),
    st.builds(HoldoutConfig, valid_share=st.sampled_from([0.1, 0.25]), test_share=st.sampled_from([0.0, 0.2])),
    st.builds(KfoldConfig, folds=st.integers(2, 5)),
)


@settings(deadline=None)
@given(any_rows(), configs, st.integers(0, 5))
def test_laws_of_every_split(rows, config, seed):
    try:
        splits = config.assign(rows, seed)
    except DataError:
        return
    group_N = np.arange(len(rows)) if rows.groups_N is None else rows.groups_N
    for fold in splits.folds:
        parts = [fold.train, fold.valid, splits.test]
        assert all(np.array_equal(part, np.unique(part)) for part in parts), "sorted, no row twice"
        groups = [set(group_N[part].tolist()) for part in parts]
        assert not groups[0] & groups[1]
        assert not (groups[0] | groups[1]) & groups[2]
        assert len(np.unique(rows.labels_N[fold.train])) >= 2
        assert len(fold.valid)
        assert not (rows.split_N[np.concatenate([fold.train, fold.valid])] == TEST).any()
        if rows.scored_N is not None:
            assert rows.scored_N[fold.valid].all()
            assert rows.scored_N[splits.test].all()
    again = config.assign(rows, seed)
    assert np.array_equal(splits.test, again.test)
    for one, other in zip(splits.folds, again.folds, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.valid, other.valid)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=20, max_size=150),
    st.sampled_from([0.05, 0.1, 0.3]),
    st.sampled_from([0.0, 0.2, 0.35]),
    st.integers(0, 5),
)
def test_holdout_keeps_the_shares_of_each_label_to_within_a_row(labels, valid_share, test_share, seed):
    rows = make_rows(labels)
    try:
        splits = HoldoutConfig(valid_share=valid_share, test_share=test_share).assign(rows, seed)
    except DataError:
        return
    fold = splits.folds[0]
    assert len(fold.train) + len(fold.valid) + len(splits.test) == len(rows)
    for label in range(5):
        total = labels.count(label)
        for ids, share in ((fold.valid, valid_share), (splits.test, test_share)):
            assert abs(np.sum(rows.labels_N[ids] == label) - share * total) < 1 + 1e-6


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=20, max_size=150), st.integers(2, 6), st.integers(0, 5))
def test_each_row_is_valid_in_one_fold_and_labels_are_even(labels, folds, seed):
    rows = make_rows(labels)
    try:
        splits = KfoldConfig(folds=folds).assign(rows, seed)
    except DataError:
        return
    assert len(splits.folds) == folds
    assert sorted(np.concatenate([fold.valid for fold in splits.folds]).tolist()) == list(range(len(rows)))
    for label in range(5):
        counts = [int(np.sum(rows.labels_N[fold.valid] == label)) for fold in splits.folds]
        assert max(counts) - min(counts) <= 1


def test_rare_labels_do_not_empty_the_valid_part():
    rows = make_rows([row // 4 for row in range(200)])  # 50 classes of 4 rows: a tenth of a class is no row
    fold = HoldoutConfig(valid_share=0.1, test_share=0).assign(rows, 0).folds[0]
    assert len(fold.valid) == 20


def test_given_parts_stay_as_given():
    rows = make_rows([0, 1] * 4, [TRAIN, UNASSIGNED, TRAIN, TRAIN, VALID, VALID, TEST, TEST])
    splits = GivenConfig().assign(rows, 0)
    assert splits.folds[0].train.tolist() == [0, 1, 2, 3]
    assert splits.folds[0].valid.tolist() == [4, 5]
    assert splits.test.tolist() == [6, 7]


def test_a_missing_valid_part_is_held_out_of_train_and_never_of_test():
    rows = make_rows([0, 1] * 100, [TRAIN] * 160 + [TEST] * 40)
    splits = GivenConfig(valid_share=0.25).assign(rows, 0)
    assert np.bincount(rows.labels_N[splits.folds[0].valid]).tolist() == [20, 20]
    assert splits.folds[0].valid.max() < 160
    assert splits.test.tolist() == list(range(160, 200))
    other = GivenConfig(valid_share=0.25).assign(rows, 1)
    assert not np.array_equal(splits.folds[0].valid, other.folds[0].valid), "the seed decides who is held out"


def test_no_more_rows_are_held_out_than_are_worth_it():
    rows = make_rows([0, 1] * 75_000)
    assert len(GivenConfig().assign(rows, 0).folds[0].valid) == 10_000


def test_few_rows_still_give_a_valid_part():
    splits = GivenConfig().assign(make_rows([0, 1, 0, 1]), 0)
    assert len(splits.folds[0].valid) == 1


def test_test_rows_the_data_gives_stay_the_test_rows():
    rows = make_rows([0, 1] * 20, [TEST] * 10 + [VALID] * 10 + [TRAIN] * 20)
    for config in (HoldoutConfig(), KfoldConfig(folds=3)):
        splits = config.assign(rows, 0)
        assert splits.test.tolist() == list(range(10))
        assert all(set(fold.train) | set(fold.valid) == set(range(10, 40)) for fold in splits.folds)


def test_phrases_train_only_where_their_sentence_does():
    # Sentences 0 … 9, each with two phrases.
    groups = [*range(10), *range(10), *range(10)]
    rows = make_rows([row % 2 for row in groups], [TRAIN] * 30, groups, [True] * 10 + [False] * 20)
    for config in (GivenConfig(valid_share=0.3), HoldoutConfig(valid_share=0.3, test_share=0.2), KfoldConfig(folds=3)):
        splits = config.assign(rows, 0)
        for fold in splits.folds:
            held_out = {*fold.valid.tolist(), *splits.test.tolist()}
            assert held_out < set(range(10))
            assert fold.train.tolist() == [row for row in range(30) if row % 10 not in held_out]


def test_a_given_split_that_divides_a_group_gives_the_group_to_test_then_to_valid():
    rows = make_rows([0, 1, 0, 1, 0, 1], [TRAIN, TEST, VALID, TRAIN, TRAIN, VALID], [0, 0, 0, 1, 2, 3])
    splits = GivenConfig().assign(rows, 0)
    assert (splits.test.tolist(), splits.folds[0].valid.tolist(), splits.folds[0].train.tolist()) == ([1], [5], [3, 4])


def test_groups_of_many_sizes_are_divided_near_the_shares():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), random.integers(1, 20, 300))
    rows = make_rows(random.integers(0, 3, len(groups)).tolist(), groups=groups)
    splits = HoldoutConfig(valid_share=0.1, test_share=0.2).assign(rows, 0)
    assert len(splits.folds[0].valid) / len(rows) == pytest.approx(0.1, abs=0.02)
    assert len(splits.test) / len(rows) == pytest.approx(0.2, abs=0.02)
    sizes = [len(fold.valid) / len(rows) for fold in KfoldConfig(folds=4).assign(rows, 0).folds]
    assert sizes == pytest.approx([0.25] * 4, abs=0.02)


@pytest.mark.parametrize(
    ("config", "rows", "sentence"),
    [
        (
            KfoldConfig(folds=5),
            make_rows([0, 1, 0, 1], groups=[0, 0, 1, 1]),
            "too few groups outside of test for 5 valid",
        ),
        *(
            (config, make_rows([0, 1], [TEST, TEST]), r"all 2 rows are test rows, so none is left .*\(data\.split\)")
            for config in (GivenConfig(), HoldoutConfig(), KfoldConfig())
        ),
        *(
            (
                config,
                make_rows([0, 1, 0], [TRAIN, VALID, TEST], groups=[1, 1, 1]),
                "none of 2 rows is left .*data.group",
            )
            for config in (GivenConfig(), HoldoutConfig(), KfoldConfig())
        ),
        (
            GivenConfig(),
            make_rows([0, 0, 0, 1], [TRAIN, TRAIN, TRAIN, VALID]),
            "train part has only the class 'class 0'",
        ),
        (HoldoutConfig(test_share=0.01), make_rows([0, 1] * 4), r"no test rows .* 8 rows; .*split\.test_share to 0"),
    ],
)
def test_a_part_that_would_be_empty_is_an_error(config, rows, sentence):
    with pytest.raises(DataError, match=sentence):
        config.assign(rows, 0)


def test_shares_that_leave_nothing_to_train_are_refused():
    with pytest.raises(ValidationError, match="must leave rows to train"):
        HoldoutConfig(valid_share=0.6, test_share=0.4)
