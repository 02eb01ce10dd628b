"""Is it real? What each verdict of a confirmation makes sentences, tables and JSON say."""

from __future__ import annotations

import io
import json

import numpy as np
import plotly.graph_objects as go
import pytest
from rich.console import Console
from tests.report.confirmations import make_candidate, make_comparison, make_confirmation

from textune.records import Fidelity, Objective, StudyRecord, TrialState
from textune.report import confirmation as section
from textune.report.as_json import show_json
from textune.report.page import page
from textune.report.summary import summarize
from textune.report.terminal import show
from textune.report.verdict import standings, verdict

VERDICTS = ["winner", "tie", "undecided"]


@pytest.fixture
def study(make_study):
    """Makes a confirmed study; `changes` are of its confirmation, `of_study` of the study."""

    def make(kind: str, of_study=None, **changes) -> StudyRecord:
        record = make_study(30, **(of_study or {}))
        return record.model_copy(update={"confirmation": make_confirmation(record, kind, **changes)})

    return make


def trials_of(record):
    """The numbers of the chosen trial, and of the one that is neither it nor the base point."""
    chosen, _, other = (each["trial"] for each in record.confirmation["candidates"])
    return chosen, other


def both(*numbers):
    return " and ".join(map(str, sorted(numbers)))


def said(record):
    return " ".join(s.text for s in verdict(record))


def finding(record):
    return next(s for s in verdict(record) if s.level == "finding" or s.text.startswith("Confirmed"))


def shown(record):
    stream = io.StringIO()
    Console(file=stream, width=200).print(show(record))
    return stream.getvalue()


def of_candidates(record, **changes):
    """The record with changes (by trial) of its candidates."""
    candidates = [{**each, **changes.get(f"trial_{each['trial']}", {})} for each in record.confirmation["candidates"]]
    return record.model_copy(update={"confirmation": {**record.confirmation, "candidates": candidates}})


class TestVerdicts:
    def test_a_winner_is_told_with_its_lead_and_the_chance_of_error(self, study):
        record = study("winner")
        chosen, other = trials_of(record)
        assert finding(record).level == "good"
        assert finding(record).text == (
            f"Confirmed: trial {chosen} is significantly better than trials {both(0, other)}, on rows drawn anew for "
            "each repeat, which the search never scored (chance of a false winner at most 5%). Nearest is trial "
            f"{other}, 0.0100 behind after 5 repeats (simultaneous 98.75% interval +0.0060 to +0.0140)."
        )

    def test_a_tie_names_the_equal_and_the_cheapest(self, study):
        record = study("tie")
        chosen, other = trials_of(record)
        assert finding(record).text.startswith(f"Tie: trials {both(chosen, other)} are equal within 0.005, on rows")
        assert finding(record).text.endswith(f"; the cheapest, trial {chosen}, is handed over.")
        assert "significantly" not in said(record)

    def test_undecided_hands_over_the_best_mean_and_calls_none_the_best(self, study):
        record = study("undecided")
        chosen, other = trials_of(record)
        text = finding(record).text
        assert text.startswith(f"Undecided: none of trials {both(chosen, other)} is proved to be the best")
        assert f"trial {chosen} has the best mean and is handed over" in text
        assert "confirm.max_share" in text

    def test_too_little_time_comes_with_the_share_that_is_enough(self, study):
        text = said(study("undecided", left_out=2, enough={"candidates": 0.8, "repeats": 3.5}))
        assert "or time for them (confirm.max_share: 3.5 is enough for all repeats), may decide it." in text
        assert "not trained again: the time allowed (confirm.max_share: 0.8 is enough for all candidates) was" in text

    def test_undecided_hands_over_a_cheaper_one_that_is_no_worse(self, study):
        record = study("undecided")
        chosen, other = trials_of(record)
        comparisons = [make_comparison(chosen, other, 0.001, within_margin=True)]
        record = study("undecided", chosen=other, comparisons=comparisons)
        text = f"trials {both(chosen, other)} are proved to be at most 0.005 behind the best mean; the cheapest of them"
        assert f"{text}, trial {other}, is handed over" in finding(record).text

    def test_where_the_others_failed_nothing_is_compared(self, study):
        record = study("undecided", reason="trainings of the other candidates failed", comparisons=[])
        chosen, other = trials_of(record)
        record = of_candidates(record, **{f"trial_{other}": {"failed": "diverged: no"}})
        expected = f"Undecided: trainings of the other candidates failed; trial {chosen} is handed over."
        assert finding(record).text == expected
        assert f"Trial {other} is out, as one of its repeats failed (diverged: no)." in said(record)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"rows": "holdout", "method": "crossed"}, "on rows set aside before the search"),
            ({"rows": "same", "method": "crossed"}, "on the rows used to choose, and conditional on them"),
            ({"rows": "same", "method": "ranges"}, "in the date ranges it was chosen by"),
        ],
    )
    def test_the_rows_are_named(self, study, changes, words):
        for kind in VERDICTS:
            text = finding(study(kind, **changes)).text
            assert words in text
            assert "never scored" not in text

    def test_rows_of_folds_are_not_called_unseen(self, study, make_study):
        record = study("winner")
        header = {**record.header, "data": {**record.header["data"], "folds": 5}}
        assert "which the search had scored in its folds" in said(record.model_copy(update={"header": header}))

    def test_candidates_that_were_left_out_are_told(self, study):
        assert "2 more candidates were not trained again: the time allowed" in said(study("tie", left_out=2))
        assert "not trained again" not in said(study("tie"))

    def test_the_base_point_that_is_chosen_is_told(self, study):
        record = study("undecided", chosen=0)
        assert "The study as written (trial 0) is handed over; the search found nothing that is proved" in said(record)
        assert record.best.spec.number != 0


class TestWithout:
    def test_off_says_not_confirmed_and_why(self, make_study):
        record = make_study(30)
        header = {**record.header, "config": {**record.header["config"], "confirm": None}}
        text = finding(record.model_copy(update={"header": header})).text
        assert text.startswith("Not confirmed: ")
        assert text.endswith("the study has confirm: off.")

    def test_too_little_time_says_so(self, make_study):
        nothing = {"key": "k", "verdict": "none", "chosen": None, "reason": "it takes 9 s", "runs": 0, "candidates": []}
        text = finding(make_study(30, confirmation=nothing)).text
        assert text.startswith("Not confirmed: ")
        assert text.endswith("The best were not trained again: it takes 9 s.")

    def test_under_way_nothing_is_decided(self, make_study):
        record = make_study(30)
        ended = [trial for trial in record.trials if trial.result][:4]
        assert "4 trainings so far, and nothing is decided" in said(record.model_copy(update={"repeats": tuple(ended)}))


class TestOptimism:
    def test_the_score_that_was_chosen_by_stands_beside_the_others(self, study):
        record = study("winner")
        chosen, _ = trials_of(record)
        searched = record.best.result.value
        test = record.test["metrics"]["test.accuracy"]
        assert f"In the search trial {chosen} scored {searched:.4f}, the best of" in said(record)
        assert f"over 5 repeats its mean is 0.4000 (−{searched - 0.4:.4f})" in said(record)
        assert f"on the test rows it is {test:.4f} (+{test - searched:.4f})" in said(record)

    def test_another_than_the_best_is_told_with_what_the_best_had(self, study):
        record = study("undecided", chosen=0)
        assert f", where the best of 18 was {record.best.result.value:.4f};" in said(record)

    def test_scores_of_a_short_search_are_called_so(self, study):
        record = study("winner")
        trials = [
            trial.model_copy(update={"spec": trial.spec.model_copy(update={"fidelity": Fidelity(epochs=1)})})
            for trial in record.trials
        ]
        assert "In the short search trial" in said(record.model_copy(update={"trials": tuple(trials)}))

    def test_without_test_rows_the_estimate_is_told_with_its_interval(self, study):
        estimate = {"values": [0.41, 0.39, 0.4], "mean": 0.4, "interval": [0.37, 0.43], "metric": "valid.accuracy"}
        record = study("winner", {"test": None}, estimate=estimate)
        chosen, _ = trials_of(record)
        assert (
            "Without test rows: 0.4000 (95% interval 0.3700 to 0.4300) is the mean of 3 trainings of trial "
            f"{chosen} made after the decision, on rows used neither to search nor to choose."
        ) in said(record)
        assert "both are optimistic" not in said(record)
        assert "Estimated accuracy" in page(record, "runs/x")

    def test_without_either_it_is_called_optimistic(self, study):
        record = study("winner", {"test": None}, rows="same", method="crossed")
        assert "It was chosen by that mean, too, so both are optimistic." in said(record)
        assert "optimistic: it was chosen by" in page(record, "runs/x")


class TestStandings:
    def test_what_is_handed_over_comes_first_and_the_best_of_the_search_beside_it(self, study):
        record = study("undecided", chosen=0)
        first, second, *_ = standings(record)
        assert (first.role, first.name, first.repeats) == ("chosen", "chosen (trial 0)", pytest.approx(0.3))
        assert first.test == record.test["metrics"]["test.accuracy"]
        assert (second.role, second.test) == ("best", None)
        assert second.valid == record.best.result.value > first.valid

    def test_another_training_of_what_is_handed_over_is_no_rival_of_it(self, study):
        record = study("undecided", chosen=0)
        own, best = record.chosen.spec, record.best
        same = best.spec.model_copy(update={"params": own.params, "config": own.config})
        trials = [each.model_copy(update={"spec": same}) if each is best else each for each in record.trials]
        assert "best" in {each.role for each in standings(record)}
        assert "best" not in {each.role for each in standings(record.model_copy(update={"trials": tuple(trials)}))}

    def test_the_terminal_shows_means_over_repeats_only_where_there_are_some(self, study, make_study):
        text = shown(study("winner"))
        assert "mean of repeats" in text
        assert "0.4000" in text
        assert "mean of repeats" not in shown(make_study(30))

    @pytest.mark.parametrize("kind", VERDICTS)
    def test_the_terminal_tells_the_verdict_and_the_params_that_are_handed_over(self, study, kind):
        record = study(kind)
        text = shown(record)
        assert {"winner": "Confirmed:", "tie": "Tie:", "undecided": "Undecided:"}[kind] in text
        assert "Not confirmed" not in text
        assert f"chosen (trial {record.best.spec.number})" in text


class TestJson:
    @pytest.mark.parametrize("kind", VERDICTS)
    def test_has_the_confirmation_and_what_is_chosen_beside_the_best(self, study, kind):
        record = study(kind, chosen=0)
        told = json.loads(json.dumps(show_json(record), allow_nan=False))
        assert (told["confirmation"]["verdict"], told["confirmation"]["chosen"]) == (kind, 0)
        assert told["confirmation"]["runs"] == 13
        assert "key" not in told["confirmation"]
        assert told["chosen"]["trial"] == 0
        assert told["best"]["trial"] == record.best.spec.number != 0
        assert list(told["chosen"]) == list(told["best"])


class TestTheSection:
    def test_has_the_chosen_first_then_those_that_remained_then_those_that_did_not(self, study):
        record = study("undecided")
        chosen, other = trials_of(record)
        rows = summarize(record).race.rows
        assert [row.name for row in rows] == [f"trial {chosen}", f"trial {other}", "trial 0 (base point)"]
        assert [row.outcome for row in rows] == ["chosen", "in to the end", "out after 3"]
        assert [row.behind and row.behind["repeats"] for row in rows] == [None, 5, 3]

    def test_sorts_by_the_least_where_the_study_minimizes(self, make_study):
        record = make_study(30, objective=Objective(metric="valid.loss", direction="minimize"))
        complete = [t.spec.number for t in record.trials if t.result.state is TrialState.COMPLETE]
        best = record.best.spec.number
        others = [number for number in complete if number not in (0, best)][:2]
        candidates = [
            make_candidate(number, 1.0, [value] * 3)
            for number, value in zip((best, *others), (1.0, 1.3, 1.2), strict=True)
        ]
        comparisons = [make_comparison(best, number, 0.2) for number in others]
        told = make_confirmation(record, "undecided", candidates=candidates, comparisons=comparisons)
        rows = summarize(record.model_copy(update={"confirmation": told})).race.rows
        assert [row.mean for row in rows] == pytest.approx([1.0, 1.2, 1.3])

    @pytest.mark.parametrize("kind", VERDICTS)
    def test_stands_on_the_page_with_figures_that_plotly_accepts(self, study, kind):
        record = study(kind)
        text = page(record, "runs/x")
        assert "Is it real?" in text
        assert "The chance of calling one better than all others that is not is at most 5%" in text
        drawn = []
        section.race_section(summarize(record).race, lambda figure: drawn.append(figure) or "")
        assert len(drawn) == 2
        for figure in drawn:
            go.Figure(
                json.loads(
                    json.dumps(figure)
                    .replace('"accent"', '"red"')
                    .replace('"muted"', '"grey"')
                    .replace('"veil"', '"grey"')
                )
            )

    def test_draws_no_bar_where_nothing_can_be_claimed(self, study):
        record = study("undecided")
        chosen, other = trials_of(record)
        comparisons = [make_comparison(chosen, other, 0.01, low=None, high=None)]
        record = study("undecided", comparisons=comparisons, method="ranges", rows="same")
        drawn = []
        text = section.race_section(summarize(record).race, lambda figure: drawn.append(figure) or "")
        assert "unbounded" in text
        assert drawn[1]["data"][0]["error_x"]["visible"] is False

    def test_is_not_there_without_a_confirmation(self, make_study):
        assert "Is it real?" not in page(make_study(30), "runs/x")


def test_every_candidate_may_have_failed(study, make_trial):
    record = study("undecided", reason="trainings of the other candidates failed", comparisons=[])
    broken = {
        f"trial_{each['trial']}": {"failed": "diverged", "values": [], "mean": None, "seconds": None}
        for each in record.confirmation["candidates"]
    }
    record = of_candidates(record, **broken)
    assert "Is it real?" in page(record, "runs/x")
    assert "is handed over" in said(record)
    assert not np.isnan(record.best.result.value)
