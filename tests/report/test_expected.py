"""What n trials could be expected to find, and of which studies nobody may say so."""

from __future__ import annotations

import itertools
import json
from statistics import fmean

import pytest

from textune.records import EndReason, Fidelity, Objective
from textune.report.expected import expected_best, figure
from textune.report.page import page

VALUES = (0.5, 0.9, 0.6, 0.7, 0.8)


@pytest.fixture
def study(make_study):
    """Makes a study of a sampler whose base point scored 0.99, and other trials these values."""

    def make(kind="random", values=VALUES, **changes):
        record = make_study(len(values) + 1)
        trials = [
            trial.model_copy(
                update={"result": trial.result.model_copy(update={"value": value, "end": EndReason.FINISHED})}
            )
            for trial, value in zip(record.trials, (0.99, *values), strict=True)
        ]
        search = {**record.header["config"]["search"], "sampler": {"kind": kind}}
        header = {**record.header, "config": {**record.header["config"], "search": search}}
        return record.model_copy(update={"trials": tuple(trials), "header": header, **changes})

    return make


def changed(record, number, *, of_spec=None, of_result=None):
    trials = list(record.trials)
    trial = trials[number]
    update = {
        "spec": trial.spec.model_copy(update=of_spec or {}),
        "result": trial.result.model_copy(update=of_result or {}),
    }
    trials[number] = trial.model_copy(update=update)
    return record.model_copy(update={"trials": tuple(trials)})


@pytest.mark.parametrize(("direction", "best"), [("maximize", max), ("minimize", min)])
def test_is_the_mean_over_all_choices_of_n_trials_without_the_base_point(study, direction, best):
    record = study(objective=Objective(direction=direction))
    means = [fmean(best(chosen) for chosen in itertools.combinations(VALUES, n)) for n in range(1, 6)]
    assert expected_best(record).expected == pytest.approx(means)


@pytest.mark.parametrize("kind", ["tpe", "gp", "cma-es", "grid", "none"])
def test_trials_that_are_no_independent_draws_tell_nothing(study, kind):
    assert expected_best(study(kind)) is None
    assert expected_best(study("qmc")) is not None


def test_pruned_trials_leave_a_selection(study):
    record = study(values=(*VALUES, 0.4, 0.3))
    assert expected_best(record) is not None
    assert expected_best(changed(record, 6, of_result={"end": EndReason.PRUNED})) is None


def test_only_trials_in_full_that_ran_themselves_count(study):
    record = study(values=(*VALUES, 0.4))
    for change in (
        {"of_spec": {"fidelity": Fidelity(epochs=1)}},
        {"of_spec": {"repeat_of": 1}},
        {"of_result": {"end": EndReason.CRASHED, "value": None}},
        {"of_result": {"value": float("nan")}},
    ):
        assert len(expected_best(changed(record, 6, **change)).expected) == 5
    assert expected_best(changed(study(), 2, of_spec={"repeat_of": 1})) is None, "four are too few"


def test_the_band_ends_where_the_trials_cannot_bound_it(study):
    record = study(values=tuple(0.5 + 0.01 * n for n in range(30)))
    best = expected_best(record)
    assert best.high[-1] is None
    assert best.low[0] < best.expected[0] < best.high[0]
    drawn = json.loads(json.dumps(figure(best), allow_nan=False))
    assert len(drawn["data"][0]["x"]) < len(drawn["data"][-1]["x"]) == 30


def test_stands_on_the_page_of_such_studies_only(study):
    assert "The best of n trials" in page(study(), "runs/x")
    assert "The best of n trials" not in page(study("tpe"), "runs/x")
