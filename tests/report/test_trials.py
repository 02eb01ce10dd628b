"""A study's trials as a DataFrame: what comes out is what went in."""

import math

import pandas as pd
import pytest

from textune.records import EndReason, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.report.trials import trials_frame


def frame(*params, metrics=None):
    trials = [
        TrialRecord(
            spec=TrialSpec(number=number, params=each),
            result=TrialResult(
                trial=number,
                end=EndReason.FINISHED,
                reason="finished",
                metrics={"valid.accuracy": 0.5} if metrics is None else metrics[number],
                best_epoch=1,
                epochs=2,
            ),
        )
        for number, each in enumerate(params)
    ]
    return trials_frame(StudyRecord(name="study", trials=tuple(trials)))


def column(*values):
    """Returns the column of a param; a value of ... is that of a trial which does not have it."""
    return frame(*({} if value is ... else {"p": value} for value in values))["p"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((1, 64), "int64"),
        ((1, ...), "Int64"),
        ((0.5, 1.0), "float64"),
        ((0.5, ...), "Float64"),
        ((True, False), "bool"),
        ((..., True), "boolean"),
        ((None, 64), "object"),
        ((None, 64, ...), "object"),
        ((None, True), "object"),
        ((1, True), "object"),
        (("nan", None, "None", ""), "object"),
        (("nan", ...), "object"),
        (([1, 2], [None]), "object"),
        (({"kind": "rnn"}, "cnn"), "object"),
        ((2**63, 1), "object"),
    ],
)
def test_values_come_back_as_they_are(values, dtype):
    found = column(*values)
    assert str(found.dtype) == dtype
    for value, expected in zip(found.tolist(), values, strict=True):
        if expected is ...:
            assert value is pd.NA
        else:
            assert (type(value), value) == (type(expected), expected)


def test_a_metric_that_a_trial_does_not_have_is_nan():
    found = frame({}, {}, metrics=[{}, {"valid.loss": math.inf}])["valid.loss"]
    assert math.isnan(found[0])
    assert found[1] == math.inf


def test_trials_that_have_not_ended_and_studies_without_one_are_no_rows():
    record = StudyRecord(name="study", trials=(TrialRecord(spec=TrialSpec(number=0)),))
    assert trials_frame(record).empty
    assert list(trials_frame(record).columns[:3]) == ["trial", "state", "reason"]
