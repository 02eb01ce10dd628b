"""One variable at a time: the table, what is more than luck, and the combination."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from textune.records import EndReason, Objective, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.report.ablation import ablation_section, ablations, difference_text
from textune.report.as_json import show_json
from textune.report.page import write_report
from textune.report.terminal import show

LENGTH, CELL, OPTIMIZER = "tokenizer.max_length", "model.encoder.cell", "training.optimizer"
BASE = {LENGTH: 50, OPTIMIZER: "adam", CELL: "lstm"}
EFFECTS = {(LENGTH, 25): -0.04, (LENGTH, 100): 0.05, (OPTIMIZER, "sgd"): -0.2, (CELL, "gru"): 0.001, (CELL, "rnn"): 0.0}
POINTS = [BASE, *({**BASE, path: value} for path, value in EFFECTS)]
MEANS = [0.76, *(0.76 + effect for effect in EFFECTS.values())]
ROWS = 2_000


def make_trial(number, params, seed, value, end=EndReason.FINISHED, stage=0):
    result = TrialResult(
        trial=number,
        end=end,
        reason=end.value,
        value=value,
        metrics={"valid.accuracy": value, "valid.f1_macro": value - 0.01, "valid.loss": 1 - value},
        best_epoch=3 + number % 2,
        epochs=6,
        seconds=12.0,
        seconds_per_epoch=2.0,
        folder=f"/elsewhere/trials/{number:04d}/attempt-1",
    )
    return TrialRecord(spec=TrialSpec(number=number, params=params, seed=seed, stage=stage), result=result)


def make_study(repeats=3, *, means=MEANS, sampler="one-at-a-time", **changes):
    draw = np.random.default_rng(3)
    luck = draw.normal(0, 0.01, repeats)  # of a seed, shared by all values
    trials = [
        make_trial(repeat * len(POINTS) + place, params, repeat, mean + luck[repeat] + draw.normal(0, 0.002))
        for repeat in range(repeats)
        for place, (params, mean) in enumerate(zip(POINTS, means, strict=True))
    ]
    space = {path: {"values": []} for path in (*BASE, "model.encoder.widths")}
    search = {"space": space, "sampler": {"kind": sampler, "repeats": repeats}}
    study = {"name": "ablation", "state": "done", "trials": tuple(trials), "header": {"config": {"search": search}}}
    return StudyRecord(**{**study, **changes})


def shown(record, run_folder=None, width=200):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(show(record, run_folder))
    return console.export_text()


def by_value(ablation):
    return {(effect.path, effect.value): effect for effect in ablation.effects}


def test_there_is_one_effect_for_each_value_by_dimension_and_the_base_stands_apart():
    (ablation,) = ablations(make_study())
    assert ablation.base.trials[0].spec.params == BASE
    assert list(by_value(ablation)) == list(EFFECTS)
    assert list(ablation.dimensions) == [LENGTH, OPTIMIZER, CELL]
    assert [len(effect.trials) for effect in ablation.effects] == [3] * 5
    assert ablation.left_out == ("model.encoder.widths",)
    assert ablation.base.mean("best_epoch") == pytest.approx(3)
    assert ablations(make_study(sampler="grid")) == ()


def test_differences_are_paired_by_seed_and_hold_together():
    (ablation,) = ablations(make_study())
    for (path, value), effect in by_value(ablation).items():
        assert effect.change.estimate.mean == pytest.approx(EFFECTS[path, value], abs=0.005)
        assert effect.change.real == (abs(EFFECTS[path, value]) > 0.01)
    unpaired = make_study().trials
    seeds = {0: 1, 1: 2, 2: 0}
    moved = [
        trial.model_copy(update={"spec": trial.spec.model_copy(update={"seed": seeds[trial.spec.seed]})})
        if trial.spec.params != BASE
        else trial
        for trial in unpaired
    ]
    (crossed,) = ablations(make_study(trials=tuple(moved)))
    width, wider = (by_value(each)[CELL, "gru"].change.interval for each in (ablation, crossed))
    assert wider.high - wider.low > 2 * (width.high - width.low)


def test_the_order_in_which_trials_end_does_not_matter():
    study = make_study()
    base, *rest = study.trials
    (again,) = ablations(study.model_copy(update={"trials": (base, *reversed(rest))}))
    (ablation,) = ablations(study)
    for key, effect in by_value(ablation).items():
        assert by_value(again)[key].change.interval == effect.change.interval


def test_the_combination_takes_only_what_is_surely_better():
    (ablation,) = ablations(make_study())
    assert ablation.combination() == {LENGTH: 100}
    assert ablation.best_change() == {LENGTH: 100}
    (lucky,) = ablations(make_study(means=[0.76, 0.75, 0.75, 0.75, 0.763, 0.75]))
    assert lucky.combination() == {}
    assert lucky.best_change() == {CELL: "gru"}


def test_of_two_better_values_of_one_dimension_the_better_one_is_taken():
    (ablation,) = ablations(make_study(means=[0.76, 0.85, 0.80, 0.9, 0.76, 0.70]))
    assert ablation.combination() == {LENGTH: 25, OPTIMIZER: "sgd"}
    assert ablation.best_change() == {OPTIMIZER: "sgd"}


def test_where_nothing_is_better_no_change_is_best():
    (ablation,) = ablations(make_study(means=[0.76] + [0.6] * 5))
    assert (ablation.combination(), ablation.best_change()) == ({}, {})


def test_less_is_better_where_the_objective_is_minimized():
    objective = Objective(metric="valid.loss", direction="minimize")
    (ablation,) = ablations(make_study(objective=objective))
    assert ablation.combination() == {LENGTH: 25, OPTIMIZER: "sgd"}  # the lowest numbers
    assert "sgd is better by" in " ".join(ablation.statements())


def test_a_verdict_for_each_dimension():
    (ablation,) = ablations(make_study())
    length, optimizer, cell = ablation.statements()
    assert length.startswith("max_length: holds, 25 is worse by 0.0")
    assert "; 100 is better by 0.0" in length
    assert optimizer.startswith("optimizer: holds, sgd is worse by 0.2")
    assert cell.startswith("cell: noise, no value differs from the base by more than luck; rnn by −0.00")


def test_one_training_of_each_says_nothing_about_luck():
    (ablation,) = ablations(make_study(1))
    assert all(effect.change is None for effect in ablation.effects)
    assert ablation.combination() == {}
    assert ablation.best_change() == {LENGTH: 100}
    assert "says nothing about luck" in ablation.notes()[0]
    assert ablation.statements() == []


def test_a_value_that_failed_once_has_no_interval_and_the_others_keep_theirs():
    study = make_study()
    failed = study.trials[7]  # the second training of length 25
    result = failed.result.model_copy(update={"end": EndReason.DIVERGED, "value": None, "metrics": {}})
    trials = [each if each is not failed else each.model_copy(update={"result": result}) for each in study.trials]
    (ablation,) = ablations(study.model_copy(update={"trials": tuple(trials)}))
    effects = by_value(ablation)
    assert effects[LENGTH, 25].change is None
    assert effects[LENGTH, 25].mean("value") == pytest.approx(0.72, abs=0.03)
    assert effects[LENGTH, 100].change.real
    (one,) = ablations(
        study.model_copy(update={"trials": tuple(each for each in trials if each.spec.params != POINTS[2])})
    )
    assert (
        one.statements()[0]
        == "max_length: undecided, as too few of its trainings ended well to tell an effect from luck"
    )


def test_a_study_that_runs_shows_what_there_is():
    study = make_study()
    for number in range(1, len(study.trials)):
        running = study.trials[number].model_copy(update={"result": None})
        part = study.model_copy(update={"trials": (*study.trials[:number], running), "state": "running"})
        (ablation,) = ablations(part)
        assert len(ablation_section(ablation)) > 100
        assert "as written" in shown(part)


def test_only_the_stages_that_vary_one_at_a_time_are_told():
    one, other = make_study(), {"space": {}, "sampler": {"kind": "random"}}
    search = one.header["config"]["search"]
    trials = [each.model_copy(update={"spec": each.spec.model_copy(update={"stage": 1})}) for each in one.trials]
    first = make_trial(99, {CELL: "gru"}, 0, 0.5)
    study = make_study(trials=(first, *trials), header={"config": {"search": [other, search]}})
    (ablation,) = ablations(study)
    assert (ablation.stage, ablation.combination()) == (1, {LENGTH: 100})


@pytest.fixture
def run_folder(tmp_path):
    """Outcomes of the trials of `make_study()`: right on as many rows as the mean says."""
    draw = np.random.default_rng(5)
    ease = draw.random(ROWS)
    for trial in make_study().trials:
        folder = tmp_path / f"trials/{trial.spec.number:04d}/attempt-1"
        folder.mkdir(parents=True)
        right = ease + draw.normal(0, 0.05, ROWS) < trial.result.value
        probabilities = np.stack([~right, right], 1).astype(np.float32)
        np.savez(folder / "outcomes.npz", rows=np.arange(ROWS), labels=np.ones(ROWS, int), probabilities=probabilities)
    return tmp_path


def test_with_the_outcomes_the_intervals_count_the_luck_of_rows_too(run_folder):
    (seeds,), (rows,) = ablations(make_study()), ablations(make_study(), run_folder)
    assert (seeds.on_rows, rows.on_rows) == (None, ROWS)
    narrow, wide = (by_value(each)[LENGTH, 100].change.interval for each in (seeds, rows))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert f"3 seeds and {ROWS:,} rows" in rows.notes()[0]
    newer = next(run_folder.rglob("outcomes.npz"))
    with np.load(newer) as outcomes:
        arrays = dict(outcomes)
    np.savez(newer, **{**arrays, "rows": arrays["rows"] + 7, "positions": arrays["rows"]})
    assert ablations(make_study(), run_folder)[0].on_rows == ROWS, "a study may have gone on in a newer version"
    newer.unlink()
    (without,) = ablations(make_study(), run_folder)
    assert without.on_rows is None


def test_page_and_terminal_show_the_table(run_folder):
    study = make_study()
    page = write_report(run_folder, study).read_text(encoding="utf-8")
    text = shown(study, run_folder)
    for said in (page, text):
        assert "as written" in said
        assert "max_length: holds" in said
        assert "cell: noise" in said
        assert "Not varied, as the condition does not hold for the study as written: model.encoder.widths." in said
    assert "One variable at a time" in page
    (ablation,) = ablations(study)
    for effect in ablation.effects:  # no number is cut on a narrow terminal
        assert difference_text(effect, ablation)[1] in shown(study, width=80)
    assert text.index("max_length") < text.index("sgd") < text.index("gru")
    assert "One variable at a time" not in write_report(run_folder, make_study(sampler="grid")).read_text("utf-8")


def test_json_has_the_numbers_of_the_table(run_folder):
    record = make_study()
    (told,) = json.loads(json.dumps(show_json(record, run_folder), allow_nan=False))["one_at_a_time"]
    (ablation,) = ablations(record, run_folder)
    assert told["combination"] == ablation.combination()
    assert told["base"]["metrics"]["valid.accuracy"] == pytest.approx(ablation.base.mean("valid.accuracy"))
    changes = {(change["path"], change["value"]): change for change in told["changes"]}
    assert changes.keys() == EFFECTS.keys()
    assert {key: change["verdict"] for key, change in changes.items()} == {
        (LENGTH, 25): "worse",
        (LENGTH, 100): "better",
        (OPTIMIZER, "sgd"): "worse",
        (CELL, "gru"): "noise",
        (CELL, "rnn"): "noise",
    }
    longer = by_value(ablation)[LENGTH, 100].change
    assert changes[LENGTH, 100]["difference"] == pytest.approx(longer.estimate.mean)
    assert (changes[LENGTH, 100]["low"], changes[LENGTH, 100]["high"]) == (longer.interval.low, longer.interval.high)
    (unknown,) = show_json(make_study(1))["one_at_a_time"]
    assert {change["verdict"] for change in unknown["changes"]} == {"unknown"}
