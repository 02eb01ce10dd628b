from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textune.data import TEST, TRAIN, UNASSIGNED, RollingConfig, Rows, folds_of
from textune.errors import DataError
from textune.records import Repeat, TrialSpec

START = date(2007, 1, 1)


def make_rows(days, labels=None, split=None, groups=None, scored=None) -> Rows:
    """Rows of the days after 2007-01-01; labels alternate unless they are given."""
    count = len(days)
    return Rows(
        texts=[f"text {row}" for row in range(count)],
        labels_N=np.array([row % 2 for row in range(count)] if labels is None else labels, dtype=np.int64),
        classes=("bad", "good"),
        split_N=np.array([UNASSIGNED] * count if split is None else split, dtype=np.int8),
        groups_N=None if groups is None else np.array(groups, dtype=np.int64),
        scored_N=None if scored is None else np.array(scored, dtype=np.bool_),
        dates_N=np.array([START + timedelta(days=day) for day in days], dtype="datetime64[D]"),
        fingerprint="",
    )


def whole_year(last="2007-12-31", **columns) -> Rows:
    """Two rows a day, from 2007-01-01 on."""
    days = (date.fromisoformat(last) - START).days + 1
    return make_rows([day for day in range(days) for _ in range(2)], **columns)


def months(rows, part) -> list[str]:
    return sorted(set(rows.dates_N[part].astype("datetime64[M]").astype(str).tolist()))


@st.composite
def any_rows(draw) -> Rows:
    count = draw(st.integers(60, 200))

    def column(values):
        return draw(st.lists(values, min_size=count, max_size=count))

    return make_rows(
        column(st.integers(0, 500)),
        None,
        column(st.sampled_from([UNASSIGNED, TRAIN, TEST])) if draw(st.integers(0, 3)) == 0 else None,
        column(st.integers(0, 20 * count)) if draw(st.booleans()) else None,
        column(st.booleans()) if draw(st.booleans()) else None,
    )


@st.composite
def any_config(draw) -> RollingConfig:
    valid = draw(st.integers(1, 3))
    return RollingConfig(
        train_months=draw(st.integers(1, 6)),
        gap_months=draw(st.integers(0, 2)),
        valid_months=valid,
        step_months=draw(st.none() | st.integers(valid, 4)),
        ranges=draw(st.integers(1, 3)),
        until=draw(st.none() | st.sampled_from(["2008-03", "2007-12"])),
        test_months=draw(st.integers(0, 2)),
    )


@settings(deadline=None, max_examples=300)
@given(any_rows(), any_config())
def test_nothing_later_trains_and_parts_stay_apart(rows, config):
    try:
        splits = config.assign(rows, 0)
    except DataError:
        return
    months_N = rows.dates_N.astype("datetime64[M]").astype(int)
    groups_N = np.arange(len(rows)) if rows.groups_N is None else rows.groups_N
    gap = config.gap_months
    for fold in splits.folds:
        assert months_N[fold.train].max() + gap < months_N[fold.valid].min()
        assert months_N[fold.train].max() - months_N[fold.train].min() < config.train_months
        assert months_N[fold.valid].max() - months_N[fold.valid].min() < config.valid_months
        assert not set(groups_N[fold.train]) & set(groups_N[fold.valid])
        assert not set(groups_N[np.r_[fold.train, fold.valid]]) & set(groups_N[splits.test])
        if config.test_months:
            assert months_N[fold.valid].max() < months_N[splits.test].min()
    for earlier, later in zip(splits.folds, splits.folds[1:], strict=False):
        assert months_N[earlier.valid].max() < months_N[later.valid].min()
    assert not set(groups_N[splits.final_train]) & set(groups_N[splits.test])
    if config.test_months and len(splits.final_train):
        assert months_N[splits.final_train].max() + gap < months_N[splits.test].min()
    if config.until is None:
        last = np.concatenate([splits.test if config.test_months else splits.folds[-1].valid, splits.final_train])
        newest = rows.dates_N.max()
        assert months_N[last].max() <= (newest + 1).astype("datetime64[M]").astype(int) - 1, "whole months alone"
    if rows.scored_N is not None:
        assert rows.scored_N[np.concatenate([splits.test, *(fold.valid for fold in splits.folds)])].all()


class TestTheMonths:
    def test_are_counted_back_from_the_newest_whole_one(self):
        rows = whole_year("2007-12-10")
        splits = RollingConfig(train_months=3, ranges=2).assign(rows, 0)
        assert splits.names == ("2007-10", "2007-11")
        assert [months(rows, fold.train) for fold in splits.folds] == [
            ["2007-07", "2007-08", "2007-09"],
            ["2007-08", "2007-09", "2007-10"],
        ]
        assert [months(rows, fold.valid) for fold in splits.folds] == [["2007-10"], ["2007-11"]]
        (note,) = splits.notes
        assert note.startswith("20 rows of 2007-12 left out: the month is not whole, for the newest date is 2007-12-10")

    def test_end_with_the_newest_one_where_its_last_day_is_there(self):
        splits = RollingConfig(ranges=1).assign(whole_year("2007-11-30"), 0)
        assert splits.names == ("2007-11",)
        assert splits.notes == ()

    def test_end_where_the_study_says(self):
        splits = RollingConfig(train_months=2, valid_months=2, ranges=2, until="2007-06").assign(whole_year(), 0)
        assert splits.names == ("2007-03 … 2007-04", "2007-05 … 2007-06")
        assert splits.notes == ("368 rows after 2007-06 left out, as the split says",)

    def test_may_be_cut_short_where_the_study_says_so(self):
        splits = RollingConfig(ranges=1, until="2007-12").assign(whole_year("2007-12-10"), 0)
        assert splits.names == ("2007-12",)
        assert splits.notes == ("2007-12 is used and is not whole: the newest date is 2007-12-10",)

    def test_leave_a_gap_and_test_months_after_the_last_valid_one(self):
        rows = whole_year()
        config = RollingConfig(train_months=2, gap_months=1, valid_months=1, step_months=2, ranges=2, test_months=2)
        splits = config.assign(rows, 0)
        assert [months(rows, fold.valid) for fold in splits.folds] == [["2007-08"], ["2007-10"]]
        assert months(rows, splits.folds[1].train) == ["2007-07", "2007-08"]
        assert months(rows, splits.test) == ["2007-11", "2007-12"]
        assert months(rows, splits.final_train) == ["2007-08", "2007-09"], "the gap stands before test, too"

    def test_can_be_named_one_range_after_the_other(self):
        rows = whole_year()
        splits = RollingConfig(windows=[["2007-05", "2007-12"], ["2007-01", "2007-03"]]).assign(rows, 0)
        assert splits.names == ("2007-03", "2007-12")
        assert months(rows, splits.folds[0].train) == ["2007-01", "2007-02"]
        assert len(months(rows, splits.final_train)) == 7
        assert months(rows, splits.final_train)[-1] == "2007-12", "the newest window, once nothing is left to choose"

    def test_are_told_before_any_row_is_read_where_that_is_possible(self):
        assert RollingConfig(until="2007-06", ranges=1, train_months=2, test_months=1).plan() == (
            "range 1: train 2007-03 … 2007-04, valid 2007-05",
            "test 2007-06",
        )
        assert "newest whole month" in RollingConfig().plan()[0]


class TestRowsThatHaveNoPlace:
    def test_in_train_for_their_group_chooses_are_counted(self):
        rows = whole_year(groups=[0] * 2 + list(range(1, 362 * 2 + 1)) + [0] * 4)
        splits = RollingConfig(train_months=11, ranges=1).assign(rows, 0)
        assert 0 not in splits.folds[0].train
        assert 0 in RollingConfig(train_months=11, ranges=1).assign(whole_year(), 0).folds[0].train
        assert splits.notes == ("2 rows, counted over all ranges, do not train: rows of the same group choose or test",)

    def test_test_rows_of_the_data_stay_test_rows(self):
        split = [TEST if row % 10 < 2 else UNASSIGNED for row in range(730)]
        splits = RollingConfig(ranges=2).assign(whole_year(split=split), 0)
        assert len(splits.test) == 146

    def test_a_range_may_begin_before_the_data_and_that_is_told(self):
        splits = RollingConfig(train_months=6, ranges=1, until="2007-03").assign(whole_year(), 0)
        assert splits.notes[0] == (
            "range 1 of 1 (train 2006-09 … 2007-02, valid 2007-03) begins before the data, which starts on 2007-01-01"
        )


class TestErrorsOfTheData:
    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (
                {"until": "2007-03", "train_months": 2, "ranges": 3},
                r"range 1 of 3 \(train 2006-11 … 2006-12, .*no rows",
            ),
            ({"until": "2008-06", "ranges": 1}, r"range 1 of 1 .*valid 2008-06\) has no rows to choose by"),
            ({"windows": [["2006-01", "2006-02"]]}, r"range 1 of 1 .*2007-01-01 to 2007-12-31"),
            ({"until": "2008-02", "test_months": 2}, r"no rows to test in 2008-01 … 2008-02"),
        ],
    )
    def test_name_the_range_that_has_no_rows(self, config, message):
        with pytest.raises(DataError, match=message):
            RollingConfig(**config).assign(whole_year(), 0)

    def test_name_the_range_that_has_one_class(self):
        labels = [0 if day < 181 else row % 2 for day in range(365) for row in range(2)]
        with pytest.raises(DataError, match=r"range 1 of 3 \(train 2007-06.*only the class 'bad'"):
            RollingConfig(train_months=1, ranges=3, until="2007-09").assign(whole_year(labels=labels), 0)

    @pytest.mark.parametrize(
        ("config", "sentence"),
        [
            (
                {"ranges": 1},
                r"range 1 of 1 .* trains on no rows, .*; 366 rows of these dates are left out because rows of",
            ),
            (
                {"ranges": 1, "test_months": 1},
                "none of 730 rows is left to train, because each shares a group with a test",
            ),
        ],
    )
    def test_tell_that_groups_leave_no_rows(self, config, sentence):
        lasting = [row % 2 for row in range(730)]
        with pytest.raises(DataError, match=sentence + r".*data\.group"):
            RollingConfig(**config).assign(whole_year(groups=lasting), 0)

    def test_tell_that_all_rows_are_test_rows(self):
        with pytest.raises(DataError, match="all 730 rows are test rows"):
            RollingConfig(ranges=1).assign(whole_year(split=[TEST] * 730), 0)

    def test_tell_that_dates_are_missing(self):
        rows = whole_year()
        dates_N = rows.dates_N.copy()
        dates_N[:3] = "NaT"
        for lacking, told in ((None, "no dates"), (dates_N, "3 rows without a date")):
            with pytest.raises(DataError, match=rf"{told}.*data\.date"):
                RollingConfig().assign(Rows(**{**vars(rows), "dates_N": lacking}), 0)

    def test_tell_that_the_data_brings_test_rows(self):
        split = [TEST] + [UNASSIGNED] * 729
        with pytest.raises(DataError, match="test_months locks 2007-12 for test, and the data gives 1 test rows"):
            RollingConfig(test_months=1).assign(whole_year(split=split), 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"until": "2008-13"}, "'2008-13' is no month"),
        ({"windows": [["2008-01-01", "2008-04"]]}, "'2008-01-01' is no month"),
        ({"valid_months": 3, "step_months": 2}, "chosen by twice"),
        ({"windows": [["2008-01", "2008-04"]], "until": "2008-04"}, "gives 'until'"),
        ({"windows": [["2008-01", "2008-02"]], "gap_months": 1}, "needs 3 months at least"),
        ({"windows": [["2008-01", "2008-04"], ["2007-01", "2008-04"]]}, "choose by the same month"),
    ],
)
def test_settings_that_contradict_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        RollingConfig(**wrong)


def test_nothing_is_set_aside_of_ranges_for_a_confirmation():
    rows = whole_year()
    splits = RollingConfig(ranges=3).assign(rows, 0)
    for spec in (
        TrialSpec(number=1, aside=True),
        TrialSpec(number=1, aside=True, repeat=Repeat(number=1, rows="same")),
    ):
        assert folds_of(spec, rows, splits, 0) == dict(enumerate(splits.folds))


def test_settings_survive_a_round_trip():
    for config in (RollingConfig(), RollingConfig(windows=[["2008-01", "2008-04"]], gap_months=1)):
        settings_given = {name: value for name, value in config.dump().items() if name != "kind"}
        assert RollingConfig(**settings_given) == config
