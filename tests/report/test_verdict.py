from __future__ import annotations

import numpy as np
import pytest

from textune.records import EndReason, Objective
from textune.report.verdict import standings, verdict


def said(study, level=None):
    return " ".join(s.text for s in verdict(study) if level in (None, s.level))


def with_scores(study, role, **scores):
    """The study with other scores of one baseline: `valid_accuracy`, `test_accuracy`, `seconds` …"""
    named = {name.replace("_", ".", 1): value for name, value in scores.items()}
    known = {name: value for name, value in named.items() if not name.startswith("test.")}
    read = {name: value for name, value in named.items() if name.startswith("test.")}
    header = {**study.header, "baselines": {**study.header["baselines"], role: known}}
    test = study.test and {**study.test, "baselines": {**study.test["baselines"], role: read}}
    return study.model_copy(update={"header": header, "test": test})


def test_a_winner_is_compared_on_the_test_rows(make_study):
    text = said(make_study(), "good")
    assert "TF-IDF + logistic regression by 0.1014 on the test rows" in text
    assert "the majority class by 0.2828 on the test rows" in text


def test_a_baseline_with_class_weights_is_named_so(make_study):
    study = make_study()
    header = {**study.header, "baselines": {"tfidf-balanced": {"valid.accuracy": 0.39, "seconds": 1.9}}}
    test = {**study.test, "baselines": {"tfidf-balanced": {"test.accuracy": 0.4122}}}
    study = study.model_copy(update={"header": header, "test": test})
    assert "TF-IDF + class-weighted logistic regression by 0.1014 on the test rows" in said(study, "good")
    line = standings(study)[-1]
    assert (line.name, line.test) == ("TF-IDF + class-weighted logistic regression", 0.4122)


def test_a_study_that_does_not_beat_a_baseline_says_so_first(make_study):
    study = with_scores(make_study(), "tfidf", valid_accuracy=0.3, test_accuracy=0.55, seconds=1.9)
    first = verdict(study)[0]
    assert first.level == "warning"
    assert first.text == (
        "The best trial does not beat TF-IDF + logistic regression (which took 1.9 s): "
        "0.5136 against 0.5500 on the test rows."
    )


def test_equal_to_a_baseline_is_not_better(make_study):
    study = make_study(test=None)
    study = with_scores(study, "majority", valid_accuracy=study.best.result.value)
    assert "only equals the majority class" in said(study, "warning")


def test_what_is_odd_about_the_data_is_said_with_the_scores(make_study):
    study = make_study()
    warnings = ["texts occur in two parts", "classes are alike", "it is dull", "it is long"]
    study = study.model_copy(update={"header": {**study.header, "data": {"warnings": warnings}}})
    assert [s.text for s in verdict(study)][:3] == [f"Data: {warning}." for warning in warnings[:3]]
    assert "There is 1 more warning about the data: see the report." in said(study, "note")


def test_a_gain_inside_the_interval_is_called_uncertain(make_study):
    study = with_scores(make_study(), "tfidf", valid_accuracy=0.3, test_accuracy=0.50)
    assert "within the uncertainty of the test score" in said(study, "warning")


def test_valid_scores_are_compared_where_test_was_not_read(make_study):
    text = said(make_study(test=None))
    assert "on the valid rows. By these it was chosen, so that is optimistic." in text
    assert "no test score" in text
    assert "By these it was chosen" not in said(make_study())


def test_a_smaller_loss_beats_a_baseline_where_it_is_minimized(make_study):
    study = make_study(objective=Objective(metric="valid.loss", direction="minimize"), test=None)
    assert "does not beat" not in said(with_scores(study, "tfidf", valid_loss=1.3))
    assert "does not beat TF-IDF" in said(with_scores(study, "tfidf", valid_loss=0.01), "warning")


def test_the_best_of_many_is_called_unconfirmed_and_a_single_trial_is_not(make_study):
    assert "Not confirmed" in said(make_study())
    assert "Not confirmed" not in said(make_study(1))


def test_a_base_point_that_wins_is_told(make_study, make_trial):
    rng = np.random.default_rng(0)
    trials = (make_trial(0, {}, rng), make_trial(1, {"training.optimizer.learning_rate": 1e-6}, rng))
    assert "The study as written (trial 0) is the best" in said(make_study(trials=trials))


def test_failed_trials_alone_have_no_winner(make_study, make_trial):
    rng = np.random.default_rng(0)
    trials = tuple(make_trial(number, {"a": number}, rng, EndReason.DIVERGED) for number in range(3))
    study = make_study(trials=trials, test=None)
    assert "No trial was completed" in said(study, "warning")
    assert "smaller learning rate" in said(study, "warning")
    assert [line.role for line in standings(study)] == ["base", "tfidf", "majority"]


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_an_unfinished_study_says_so(make_study, state):
    assert "measured until then" in said(make_study(state=state, reason="the disk is full"), "warning")


def test_reading_the_test_rows_again_is_a_warning(make_study):
    study = make_study()
    assert "read 3 times" in said(make_study(test={**study.test, "readings": 3}), "warning")
    assert "read once" in said(study, "note")


def test_a_study_without_base_point_has_no_base_line(make_study):
    study = make_study()
    header = {**study.header, "config": {"search": {"include_base": False, "space": {}}}}
    assert [line.role for line in standings(make_study(header=header))] == ["chosen", "tfidf", "majority"]


class TestTrialsThatWentOtherwise:
    def with_ends(self, study, ends):
        trials = [
            trial.model_copy(update={"result": trial.result.model_copy(update={"end": end})})
            for trial, end in zip(study.trials, ends, strict=True)
        ]
        return study.model_copy(update={"trials": tuple(trials)})

    def test_failures_are_counted_by_their_end(self, make_study):
        fine, diverged, full = EndReason.FINISHED, EndReason.DIVERGED, EndReason.OUT_OF_MEMORY
        assert "failed" not in said(self.with_ends(make_study(4), [fine] * 4))
        text = said(self.with_ends(make_study(6), [fine, diverged, full, fine, diverged, fine]))
        assert "3 of 6 trials failed: 2 diverged, 1 out-of-memory. A failed trial cannot win." in text

    def test_repeats_are_no_points_of_their_own(self, make_study):
        study = self.with_ends(make_study(6), [EndReason.FINISHED] * 6)
        assert "is the best of 6 valid scores" in said(study)
        again = [
            trial.model_copy(update={"spec": trial.spec.model_copy(update={"repeat_of": 0})})
            for trial in study.trials[4:]
        ]
        text = said(study.model_copy(update={"trials": (*study.trials[:4], *again)}))
        assert "2 of 6 trials had a point that was measured before" in text
        assert "is the best of 4 valid scores" in text or study.best.spec.number >= 4

    def test_what_earlier_sessions_noted_is_told(self, make_study):
        header = {**make_study(6).header, "notes": ["from trial 3 on with other versions (torch 1 → 2)"]}
        assert "From trial 3 on with other versions (torch 1 → 2)." in said(make_study(6, header=header))
