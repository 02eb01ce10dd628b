import csv

import pytest

from textune import commands
from textune.errors import RunFolderError
from textune.records import TrialState
from textune.registry import ROLES, register
from textune.report.as_json import show_json
from textune.search.base import PrunerConfig
from textune.search.none import NoPruner

STUDY = {
    "name": "tiny",
    "data": {"kind": "synthetic", "rows": 1500},
    "model": {"embedding": {"size": 16}, "encoder": {"kind": "bag-of-words", "ngrams": 1}},
    "training": {"epochs": 3, "optimizer": {"kind": "adam", "learning_rate": 3e-4}},
    "execution": "serial",
}
RATE, NGRAMS, SIZE = "training.optimizer.learning_rate", "model.encoder.ngrams", "model.embedding.size"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))

    def run(**sections):
        return commands.run({**STUDY, **sections}, out=tmp_path / "run", quiet=True).record

    return run


def test_the_best_of_a_stage_is_the_base_of_the_next_and_is_not_trained_again(run):
    stages = [
        {"space": {RATE: [3e-4, 1e-2]}, "sampler": "grid"},
        {"space": {SIZE: [8, 16]}, "sampler": "grid"},
    ]
    record = run(search=stages, confirm="off", data={"kind": "synthetic", "rows": 400})
    first = [trial for trial in record.trials if trial.spec.stage == 0]
    second = [trial for trial in record.trials if trial.spec.stage == 1]
    assert [trial.spec.number for trial in (*first, *second)] == [0, 1, 2, 3]
    best = max(first, key=lambda trial: trial.result.value)
    rates = {trial.spec.config["training"]["optimizer"]["learning_rate"] for trial in second}
    assert rates == {best.spec.params[RATE]}
    assert second[0].result.seconds == 0
    assert second[0].result.value == best.result.value


def test_what_earlier_stages_chose_is_told_of_every_later_trial(run, tmp_path):
    stages = [
        {"space": {RATE: [3e-4, 1e-2]}, "sampler": "grid"},
        {"space": {SIZE: [8, 16]}, "sampler": "grid"},
        {"space": {NGRAMS: [1, 2]}, "sampler": "grid"},
    ]
    confirm = {"top": 2, "max_repeats": 3, "max_share": 1000.0}
    record = run(search=stages, data={"kind": "synthetic", "rows": 400}, confirm=confirm)
    for trial in (*record.trials, *record.repeats):
        config = trial.spec.config
        resolved = {
            RATE: config["training"]["optimizer"]["learning_rate"],
            SIZE: config["model"]["embedding"]["size"],
            NGRAMS: config["model"]["encoder"]["ngrams"],
        }
        assert trial.spec.choices == {path: resolved[path] for path in trial.spec.choices}
        assert trial.spec.repeat or len(trial.spec.choices) == trial.spec.stage + 1
    with (tmp_path / "run" / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [sum(row[path] != "" for path in (RATE, SIZE, NGRAMS)) for row in rows] == [1, 1, 2, 2, 3, 3]
    assert show_json(record)["best"]["params"] == record.best.spec.choices
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(f'<li title="{path}">' in page for path in record.chosen.spec.choices)


def test_changes_that_are_surely_better_are_tried_together_and_confirmed_against_base_and_best_change(run):
    record = run(
        search={
            "space": {RATE: [3e-4, 1e-2], NGRAMS: [1, 2]},
            "sampler": {"kind": "one-at-a-time", "repeats": 3, "combine": True},
        },
        data={"kind": "synthetic", "rows": 3000},
        confirm={"max_repeats": 3, "max_share": 1000.0},
    )
    *alone, together = record.trials
    assert len(alone) == 9
    assert together.spec.params == {RATE: 1e-2, NGRAMS: 2}
    assert together.result.state is TrialState.COMPLETE
    candidates = {each["trial"] for each in record.confirmation["candidates"]}
    assert candidates == {0, together.spec.number, *(candidates & {1, 2})}
    assert len(candidates) == 3


def test_what_a_stage_behind_a_combination_finds_is_confirmed_too(run):
    one_by_one = {"sampler": {"kind": "one-at-a-time", "repeats": 3, "combine": True}}
    record = run(
        search=[
            {"space": {RATE: [3e-4, 1e-2], NGRAMS: [1, 2]}, **one_by_one},
            {"space": {SIZE: [1, 2]}, "sampler": "grid", "include_base": False},
        ],
        data={"kind": "synthetic", "rows": 600},
        confirm={"max_repeats": 3, "max_share": 1000.0},
    )
    second = {trial.spec.number for trial in record.trials if trial.spec.stage == 1}
    assert second & {each["trial"] for each in record.confirmation["candidates"]}


def test_a_study_that_tried_its_changes_together_takes_no_more_trials(run, tmp_path):
    search = {
        "space": {RATE: [3e-4, 1e-2], NGRAMS: [1, 2]},
        "sampler": {"kind": "one-at-a-time", "repeats": 3, "combine": True},
    }
    record = run(search=search, data={"kind": "synthetic", "rows": 3000}, confirm="off")
    assert len(record.trials) == 10
    with pytest.raises(RunFolderError, match="has tried its best changes together, and cannot go on with other limits"):
        run(search={**search, "timeout_seconds": 600}, data={"kind": "synthetic", "rows": 3000}, confirm="off")


class TestAPrunerKnowsTheMostEpochs:
    """Of any configuration of its stage, whichever is tried first."""

    @pytest.fixture
    def told(self):
        told = []

        @register("pruner", "recorder")
        class RecorderConfig(PrunerConfig):
            def build(self, objective, max_epochs):
                told.append(max_epochs)
                return NoPruner()

        yield told
        del ROLES["pruner"].kinds["recorder"]

    @pytest.mark.parametrize(
        ("space", "short", "most"),
        [
            ({}, {}, 3),
            ({"training.epochs": {"low": 1, "high": 5}}, {}, 5),
            ({"training.epochs": [1, 2]}, {}, 3),
            ({"training.epochs": [1, 7, 2]}, {"epochs": 2}, 2),
            ({"training.epochs": [1, 2]}, {"epochs": 9}, 3),
            ({"training": [{"epochs": 1}, {"epochs": 6}]}, {}, 6),
            ({NGRAMS: [1, 2], "training.epochs": {"low": 1, "high": 4, "when": {NGRAMS: 2}}}, {}, 4),
        ],
    )
    def test_of_the_space_or_of_the_short_form(self, told, run, space, short, most):
        search = {"space": space, "pruner": "recorder", "trials": 1, "deterministic": True}
        run(search=search, short=short, confirm="off", data={"kind": "synthetic", "rows": 60})
        assert set(told) == {most}

    def test_of_the_base_that_earlier_stages_chose(self, told, run):
        stages = [
            {"space": {"training.epochs": [1]}, "include_base": False},
            {"space": {NGRAMS: [1, 2]}, "pruner": "recorder", "trials": 1},
        ]
        run(search=stages, confirm="off", data={"kind": "synthetic", "rows": 60})
        assert set(told) == {1}
