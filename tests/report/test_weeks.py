"""The best trial against the base point, row by row, from what both left in the run folder."""

import numpy as np
import pytest

from textune.records import Objective
from textune.report.page import write_report
from textune.report.weeks import weekly_differences
from textune.run_folder import RunFolder

DAYS, RANGES = 30, 3
DATES = np.repeat(np.arange(np.datetime64("2008-01-01"), np.datetime64("2008-01-01") + DAYS * RANGES), 4)
LABELS = np.arange(len(DATES)) % 2
FOLDS = np.repeat(range(RANGES), DAYS * 4)
PART = {"first": "2008-01-01", "last": "2008-01-31", "rows": 120}


@pytest.fixture
def record(make_study):
    return make_study(12)


@pytest.fixture
def leave(tmp_path, record):
    """Writes the outcomes of a trial that is right with probability `sure` where `right_N` is true."""

    def write(trial, right_N, sure=0.8, **columns):
        path = RunFolder(tmp_path).outcomes(trial.spec.number, trial.spec.attempt)
        path.parent.mkdir(parents=True)
        of_label_N = np.where(right_N, sure, 1 - sure)
        probabilities_NK = np.stack([np.where(label == LABELS, of_label_N, 1 - of_label_N) for label in (0, 1)], 1)
        outcomes = {"rows": np.arange(len(DATES)), "labels": LABELS, "dates": DATES, "folds": FOLDS, **columns}
        np.savez(path, probabilities=probabilities_NK, **{k: v for k, v in outcomes.items() if v is not None})

    return write


@pytest.fixture
def trials(record):
    best, base = record.best, record.trials[0]
    assert best is not base
    return best, base


def test_differences_are_those_of_the_metric_in_each_range_and_their_mean(tmp_path, record, trials, leave):
    rng = np.random.default_rng(0)
    right = [rng.random(len(DATES)) < share for share in (0.8, 0.6)]
    for trial, right_N in zip(trials, right, strict=True):
        leave(trial, right_N)
    *in_ranges, mean = weekly_differences(tmp_path, record)
    expected = [right[0][r].mean() - right[1][r].mean() for r in np.arange(RANGES)[:, None] == FOLDS]
    assert [each.mean for each in in_ranges] == pytest.approx(expected)
    assert mean.mean == pytest.approx(np.mean(expected))
    for each in (*in_ranges, mean):
        assert each.interval.low < each.mean < each.interval.high
    assert mean.interval.high - mean.interval.low < max(e.interval.high - e.interval.low for e in in_ranges)


@pytest.mark.parametrize(("metric", "direction"), [("valid.loss", "minimize"), ("valid.f1_macro", "maximize")])
def test_better_is_positive_whatever_the_metric(tmp_path, record, leave, metric, direction):
    record = record.model_copy(update={"objective": Objective(metric=metric, direction=direction)})
    best, base = record.best, record.trials[0]
    assert best is not base
    right_N = np.random.default_rng(0).random(len(DATES)) < 0.8
    leave(best, right_N)
    leave(base, right_N & (np.arange(len(DATES)) % 5 > 0))
    assert all(each.mean > 0 for each in weekly_differences(tmp_path, record))


def test_a_range_of_one_week_has_a_difference_and_no_interval(tmp_path, record, trials, leave):
    one_week = DATES[0] + (np.arange(len(DATES)) % 7)
    for trial in trials:
        leave(trial, LABELS == 0, dates=one_week)
    assert [(each.mean, each.interval) for each in weekly_differences(tmp_path, record)] == [(0, None)] * (RANGES + 1)


def test_nothing_is_compared_without_dates_without_outcomes_or_on_other_rows(tmp_path, record, trials, leave):
    assert weekly_differences(tmp_path, record) == ()
    leave(trials[0], LABELS == 0)
    assert weekly_differences(tmp_path, record) == ()
    leave(trials[1], LABELS == 0, rows=np.arange(len(DATES)) + 1)
    assert weekly_differences(tmp_path, record) == ()


def test_outcomes_are_compared_with_those_of_an_older_version(tmp_path, record, trials, leave):
    """They had positions as rows; now rows are places in the source, and positions stand beside them."""
    leave(trials[0], LABELS == 0)
    leave(trials[1], LABELS == 1, rows=np.arange(len(DATES)) * 2, positions=np.arange(len(DATES)))
    assert len(weekly_differences(tmp_path, record)) == RANGES + 1


def test_nothing_is_compared_where_rows_have_no_dates(tmp_path, record, trials, leave):
    for trial in trials:
        leave(trial, LABELS == 0, dates=None)
    assert weekly_differences(tmp_path, record) == ()


def test_the_report_shows_them(tmp_path, record, trials, leave):
    for trial in trials:
        leave(trial, np.equal(LABELS, trial is trials[0]))
    folds = [
        {"fold": r, "name": f"2008-0{r + 1}", "rows": 120, "best_epoch": 1, "metrics": {"valid.accuracy": 0.5}}
        for r in range(RANGES)
    ]
    told = tuple(
        trial.model_copy(update={"result": trial.result.model_copy(update={"details": {"folds": folds}})})
        for trial in record.trials
    )
    data = {**record.header["data"], "ranges": [{"name": "x", "train": PART, "valid": PART}]}
    record = record.model_copy(update={"trials": told, "header": {**record.header, "data": data}})
    assert "best − base point" in write_report(tmp_path, record).read_text(encoding="utf-8")
