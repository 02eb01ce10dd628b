"""`search.deterministic`: the same study for any number of workers."""

import pytest

from textune.config.load import load_study
from textune.errors import StudyError
from textune.execution.processes import ProcessesConfig
from textune.records import Objective, Progress, StudyStart, TrialResult, TrialSpec
from textune.run_folder import RunFolder
from textune.search.base import Pruner, Sampler
from textune.search.none import NoPrunerConfig
from textune.search.pruning import MedianConfig, SuccessiveHalvingConfig
from textune.search.tpe import TpeConfig
from textune.space import FloatDimension, IntDimension, Space
from textune.study import Search, search
from textune.study.learners import LaggedLearners, PromptLearners
from textune.testing.quadratic import Quadratic, resolve
from textune.tracking.log import EventLog, read_past

OBJECTIVE = Objective()
SPACE = Space([FloatDimension("x", 0.0, 1.0), FloatDimension("y", 0.0, 1.0)], lambda *_: None)


def run(folder, workers, pruner, lag=4, trials=24, space=SPACE):
    folder.mkdir(exist_ok=True)
    past = read_past(folder) if (folder / "events.jsonl").exists() else None
    log = EventLog(folder)
    study = search(
        Search(
            start=StudyStart(name="study", objective=OBJECTIVE, trials=trials),
            resolve=resolve,
            space=space,
            sampler=TpeConfig(startup_trials=4).build(space, OBJECTIVE, seed=1),
            new_pruner=lambda: pruner.build(OBJECTIVE, 4),
            executor=ProcessesConfig(workers=workers).build(Quadratic(epochs=4)),
            seed=1,
            folder=RunFolder(folder),
            log=log,
            past=past,
            lag=lag,
        )
    )
    log.close()
    return study


def story(study):
    return [
        (trial.spec.params, [each.value for each in trial.progress], trial.result.end, trial.result.value)
        for trial in study.trials
    ]


@pytest.mark.parametrize("lag", [None, 2])
def test_a_sampler_counts_the_trials_of_its_stage(lag):
    class Recorder(Sampler):
        def __init__(self):
            self.asked, self.told = [], []

        def ask(self, number, is_new):
            self.asked.append(number)
            return {"x": 0.5, "y": 0.5}

        def tell(self, event):
            self.told.append(event.number if isinstance(event, TrialSpec) else event.trial)

    sampler, first = Recorder(), 7
    if lag is None:
        learners = PromptLearners(sampler, MedianConfig().build(OBJECTIVE, 4), first)
    else:
        learners = LaggedLearners(sampler, lambda: MedianConfig().build(OBJECTIVE, 4), lag, first)
    for number in range(first, first + 5):
        learners.ask(number, lambda _params: True)
        learners.tell(TrialSpec(number=number))
        learners.measure(Progress(trial=number, attempt=1, epoch=1, epochs=1, value=0.5, metrics={}, seconds=1.0))
        learners.tell(TrialResult(trial=number, attempt=1, end="finished", reason="finished", value=0.5))
    assert sampler.asked == [0, 1, 2, 3, 4]
    assert set(sampler.told) == (set(range(5)) if lag is None else {0, 1})


@pytest.mark.parametrize("pruner", [MedianConfig(startup_trials=2), SuccessiveHalvingConfig()])
def test_it_is_the_same_for_any_number_of_workers(tmp_path, pruner):
    alone = run(tmp_path / "1", 1, pruner)
    assert {trial.result.end.value for trial in alone.trials} == {"finished", "pruned"}
    for workers in (2, 4):
        assert story(run(tmp_path / str(workers), workers, pruner)) == story(alone)


def test_so_is_what_is_tried_in_place_of_points_that_had_a_trial(tmp_path):
    space = Space([IntDimension("x", 0, 3), IntDimension("y", 0, 3)], lambda *_: None)
    studies = [run(tmp_path / str(workers), workers, NoPrunerConfig(), trials=30, space=space) for workers in (1, 3)]
    assert story(studies[0]) == story(studies[1])
    assert len({str(trial.spec.params) for trial in studies[0].trials}) == len(studies[0].trials) == 16


def test_it_is_the_same_after_it_was_cut_off(tmp_path):
    pruner = MedianConfig(startup_trials=2)
    whole = run(tmp_path / "whole", 3, pruner)
    lines = (tmp_path / "whole" / "events.jsonl").read_bytes().splitlines(keepends=True)
    for number in range(1, len(lines), 9):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "events.jsonl").write_bytes(b"".join(lines[:number]))
        assert story(run(folder, 2, pruner)) == story(whole), number


class Listening(Sampler, Pruner):
    """Notes whom it was told of."""

    def __init__(self):
        self.told = []

    def ask(self, number, is_new):
        return {"x": number}

    def tell(self, event):
        names = {TrialSpec: "start", Progress: "measured", TrialResult: "end"}
        trial = event.number if isinstance(event, TrialSpec) else event.trial
        self.told.append((names[type(event)], trial))

    def should_prune(self, progress):
        self.told.append(("measured", progress.trial))
        return False


def test_a_trial_sees_exactly_the_ended_trials_below_its_number_minus_the_lag():
    sampler, pruners = Listening(), []

    def new_pruner():
        pruners.append(Listening())
        return pruners[-1]

    learners = LaggedLearners(sampler, new_pruner, lag=2)
    for number in (0, 1, 2):
        assert learners.can_ask(number)
        learners.ask(number, lambda _: True)
        learners.tell(TrialSpec(number=number))
    assert not learners.can_ask(3)
    for number in (2, 1, 0):  # in whatever order they end
        learners.measure(Progress(trial=number, epoch=1, epochs=2, value=0.5))
        learners.tell(TrialResult(trial=number, end="finished", reason="finished"))
    assert learners.can_ask(4)
    learners.ask(4, lambda _: True)
    learners.tell(TrialSpec(number=4))
    seen = [("start", 0), ("measured", 0), ("end", 0), ("start", 1), ("measured", 1), ("end", 1)]
    assert sampler.told == seen
    assert pruners[-1].told == [*seen, ("start", 4)]
    learners.measure(Progress(trial=4, epoch=1, epochs=2, value=0.5))
    assert pruners[-1].told == [*seen, ("start", 4), ("measured", 4)]


@pytest.mark.parametrize("limit", [{"search": {"timeout_seconds": 60}}, {"execution": {"timeout_seconds": 60}}])
def test_stopping_by_time_is_refused(limit):
    search = {"deterministic": True, **limit.get("search", {})}
    study = {"data": "synthetic", "search": search, "execution": limit.get("execution", {})}
    with pytest.raises(StudyError, match="deterministic: true"):
        load_study(study)
