"""One variable at a time: which points, how often, with which seeds."""

from __future__ import annotations

import pytest

from textune import commands
from textune.config.load import load_study
from textune.errors import StudyError
from textune.execution.serial import SerialConfig
from textune.records import Objective, StudyStart
from textune.search.none import NoPrunerConfig
from textune.search.one_at_a_time import OneAtATimeConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.study import Search, search
from textune.testing.quadratic import Quadratic, resolve
from textune.tracking.log import EventLog, read_past, read_study

BASE = {"x": 0.25, "c": "a"}
SPACE = Space(
    [FloatDimension("x", 0.0, 1.0, steps=5), ChoiceDimension("c", ("a", "b"))],
    lambda params, path: {**BASE, **params}[path],
)
POINTS = [
    BASE,
    {"x": 0.0, "c": "a"},
    {"x": 0.5, "c": "a"},
    {"x": 0.75, "c": "a"},
    {"x": 1.0, "c": "a"},
    {"x": 0.25, "c": "b"},
]


def run(repeats, *, base=BASE, **parts):
    return search(
        Search(
            start=StudyStart(name="study", objective=Objective(), trials=parts.pop("trials", None)),
            resolve=lambda params: resolve({**BASE, **params}),
            space=SPACE,
            sampler=OneAtATimeConfig(repeats=repeats).build(SPACE, Objective(), seed=1),
            new_pruner=lambda: NoPrunerConfig().build(Objective(), 4),
            executor=SerialConfig().build(Quadratic()),
            base=base,
            **parts,
        )
    )


@pytest.mark.parametrize("base", [BASE, None])
def test_each_value_of_each_dimension_stands_alone_and_the_base_comes_first(base):
    study = run(1, base=base)
    assert [trial.spec.params for trial in study.trials] == POINTS
    assert OneAtATimeConfig().num_trials(SPACE) == len(POINTS)


@pytest.mark.parametrize("parts", [{}, {"first": 4, "stage": 1}, {"lag": 2}, {"first": 4, "lag": 2}])
def test_repeats_run_every_point_again_with_seeds_that_all_points_share(parts):
    trials = run(3, **parts).trials
    assert [trial.spec.repeat_of for trial in trials] == [None] * len(trials)
    assert [trial.spec.params for trial in trials] == POINTS * 3
    assert OneAtATimeConfig(repeats=3).num_trials(SPACE) == len(trials)
    seeds = [{trial.spec.seed for trial in trials[start : start + len(POINTS)]} for start in (0, 6, 12)]
    assert [len(each) for each in seeds] == [1, 1, 1]
    assert len(set.union(*seeds)) == 3
    assert seeds[0] == {trial.spec.seed for trial in run(1).trials}


def test_no_repetition_is_answered_from_the_record():
    study = run(25, trials=4 * len(POINTS))
    assert [trial.spec.repeat_of for trial in study.trials] == [None] * 24
    assert study.reason == "all 24 trials were run"
    assert len(run(25).trials) == 150  # no run of repeats that ends a search


@pytest.mark.parametrize("kept", [1, 7, 20, 33])
def test_a_log_that_was_cut_goes_on_to_the_same_end(tmp_path, kept):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    log = EventLog(tmp_path / "whole")
    whole = run(2, log=log)
    log.close()
    lines = (tmp_path / "whole" / "events.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut" / "events.jsonl").write_bytes(b"".join(lines[:kept]))
    past = read_past(tmp_path / "cut")
    log = EventLog(tmp_path / "cut")
    run(2, log=log, past=past)
    log.close()
    again = read_study(tmp_path / "cut").trials
    assert [(trial.spec.params, trial.spec.seed) for trial in again] == [
        (trial.spec.params, trial.spec.seed) for trial in whole.trials
    ]


def test_ranges_of_real_numbers_need_steps():
    space = Space([FloatDimension("x", 0.0, 1.0)], lambda _params, _path: 0.5)
    with pytest.raises(StudyError, match="needs 'steps'"):
        OneAtATimeConfig().num_trials(space)


@pytest.mark.parametrize("range_", [{"low": 1, "high": 10**12}, {"low": 1, "high": 10**6, "steps": 2_000}])
def test_more_values_than_anybody_means_are_refused_before_they_are_counted(range_):
    search = {"space": {"training.batch_size": range_}, "sampler": "one-at-a-time"}
    with pytest.raises(
        StudyError, match=r"search.space.training.batch_size: has [\d,]+ values; one at a time takes 1,000"
    ):
        load_study({"data": "synthetic", "search": search})
    assert load_study({"data": "synthetic", "search": {**search, "sampler": "random"}})


STUDY = {
    "data": "synthetic",
    "model": {"encoder": {"kind": "rnn", "cell": "lstm", "hidden_size": 16}},
    "training": {"epochs": 3},
    "search": {
        "space": {
            "model.encoder": [{"cell": "rnn"}, {"cell": "lstm"}, "cnn"],
            "model.encoder.hidden_size": {"values": [8, 16], "when": {"model.encoder": "rnn"}},
            "model.encoder.widths": {"values": [[2], [3]], "when": {"model.encoder": "cnn"}},
            "training.epochs": {"low": 2, "high": 4},
        },
        "sampler": {"kind": "one-at-a-time", "repeats": 2},
    },
}


def points(study):
    (stage,) = load_study(study).stages
    return list(stage.space.one_at_a_time())


def test_a_mapping_that_says_what_the_study_says_is_no_change():
    base, *changes = points(STUDY)
    own = {"training.epochs": 3, "model.encoder": {"cell": "lstm"}, "model.encoder.hidden_size": 16}
    assert base == own
    assert {**own, "model.encoder": {"cell": "rnn"}} in changes
    assert {**own, "training.epochs": 2} in changes
    assert len(changes) == 5
    assert load_study(STUDY).stages[0].num_trials == 12


def test_a_base_outside_its_ranges_is_counted_once():
    study = {**STUDY, "training": {"epochs": 9}, "search": {**STUDY["search"], "space": {"training.epochs": [1, 2]}}}
    assert load_study(study).stages[0].num_trials == 6


def test_what_a_change_makes_active_has_the_settings_own_value():
    changed = next(params for params in points(STUDY) if params.get("model.encoder") == "cnn")
    widths = load_study({"data": "synthetic", "model": {"encoder": "cnn"}}).config.model.encoder.dump()["widths"]
    assert changed == {"training.epochs": 3, "model.encoder": "cnn", "model.encoder.widths": widths}


def test_a_change_is_not_undone_by_a_deeper_dimension():
    space = {"model.encoder": [{"cell": "rnn"}, {"cell": "lstm"}], "model.encoder.cell": ["lstm", "gru"]}
    study = {**STUDY, "search": {"space": space, "sampler": "one-at-a-time"}}
    resolver = load_study(study).resolver
    cells = [resolver.resolve(params).config["model"]["encoder"]["cell"] for params in points(study)]
    assert cells == ["lstm", "rnn", "gru"]


def test_a_dimension_that_is_inactive_in_the_study_as_written_is_left_out_and_said(tmp_path):
    (stage,) = load_study(STUDY).stages
    assert stage.config.sampler.left_out(stage.space) == ("model.encoder.widths",)
    study = tmp_path / "study.yaml"
    study.write_text(
        "data: synthetic\nmodel: {encoder: rnn}\nsearch:\n  sampler: one-at-a-time\n  space:\n"
        "    model.encoder: [rnn, cnn]\n    model.encoder.widths: {values: [[2]], when: {model.encoder: cnn}}\n"
    )
    told = commands.check(study)
    assert "2 trials" in told
    assert "model.encoder.widths: does not vary; its condition does not hold for the study as written" in told


def test_whole_numbers_without_steps_are_all_taken():
    space = Space([IntDimension("n", 1, 4)], lambda params, path: params.get(path, 2))
    assert [params["n"] for params in space.one_at_a_time()] == [2, 1, 3, 4]
