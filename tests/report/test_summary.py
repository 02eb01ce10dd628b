from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from textune.records import Objective, StudyRecord, TrialState
from textune.report.summary import summarize


def test_best_so_far_only_rises_and_ends_at_the_best(make_study):
    study = make_study()
    summary = summarize(study)
    values = [value for _, value in summary.best_so_far]
    assert values == sorted(values)
    assert values[-1] == study.best.result.value == summary.best.value


def test_best_so_far_only_falls_where_the_objective_is_minimized(make_study):
    study = make_study(objective=Objective(metric="valid.loss", direction="minimize"))
    values = [value for _, value in summarize(study).best_so_far]
    assert values == sorted(values, reverse=True)
    assert values[-1] == min(t.result.value for t in study.trials if t.result.state is TrialState.COMPLETE)


def test_endings_count_every_ended_trial_once(make_study):
    summary = summarize(make_study(200))
    assert sum(ending.num_trials for ending in summary.endings) == 200
    assert {ending.reason for ending in summary.endings} == {
        "finished",
        "early-stopped",
        "pruned",
        "diverged",
        "crashed",
    }
    assert all(len(ending.examples) <= 5 for ending in summary.endings)


def test_the_setting_that_matters_comes_first(make_study):
    tables = summarize(make_study(60)).dimensions
    assert tables[0].name == "learning_rate"
    assert tables[0].log
    assert tables[0].numeric
    assert tables[0].association.p_value < 0.01


def test_a_conditional_setting_counts_the_trials_without_it(make_study):
    study = make_study(60)
    table = next(t for t in summarize(study).dimensions if t.name == "num_layers")
    bags = sum(1 for trial in study.trials if trial.spec.params.get("model.encoder.kind") == "bag-of-words")
    assert table.num_absent == bags > 0


def test_the_base_point_stands_at_its_own_values(make_study):
    rate = next(t for t in summarize(make_study(10)).dimensions if t.name == "learning_rate")
    assert rate.points[0].trial == 0
    assert rate.points[0].value == 1e-3


def test_per_class_scores_agree_with_scikit_learn(make_study):
    report = summarize(make_study(3)).classes
    true, predicted = [], []
    for i, row in enumerate(report.confusion):
        for j, cell in enumerate(row):
            true += [i] * cell
            predicted += [j] * cell
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted)
    np.testing.assert_allclose(report.precision, precision)
    np.testing.assert_allclose(report.recall, recall)
    np.testing.assert_allclose(report.f1, f1)
    np.testing.assert_array_equal(report.support, support)
    assert report.split == "test"


def test_valid_confusion_is_used_and_labelled_where_test_was_not_read(make_study):
    report = summarize(make_study(3, test=None), [[3, 1], [0, 4]]).classes
    assert report.split == "valid"
    assert report.recall == (0.75, 1.0)


def test_curves_are_means_over_folds(make_trial, make_study):
    trial = make_trial(0, {}, np.random.default_rng(0))
    second = tuple(point.model_copy(update={"fold": 1, "value": point.value + 0.2}) for point in trial.progress[:5])
    study = make_study(trials=(trial.model_copy(update={"progress": trial.progress + second}),))
    curve = summarize(study).curves[0]
    assert curve.values[0] == pytest.approx(trial.progress[0].value + 0.1)
    assert curve.values[8] == pytest.approx(trial.progress[8].value), "the second fold stopped after five epochs"


def test_time_is_summed_over_trials(make_study):
    study = make_study(10)
    time = summarize(study).time
    assert time.training == pytest.approx(sum(trial.result.seconds for trial in study.trials))
    assert time.per_epoch == pytest.approx(6.1)


@given(st.integers(0, 12), st.integers(0, 10), st.sampled_from(["running", "done", "interrupted", "failed"]))
@settings(max_examples=25, deadline=None)
def test_every_study_can_be_summarized(make_study, num_trials, seed, state):
    study = make_study(num_trials or 1, seed=seed, state=state)
    study = StudyRecord.model_validate_json(study.model_dump_json())
    summary = summarize(study if num_trials else study.model_copy(update={"trials": ()}))
    assert len(summary.trials) == num_trials
