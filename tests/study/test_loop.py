import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from textune.errors import StudyError
from textune.execution.base import Executor
from textune.execution.processes import ProcessesConfig
from textune.execution.serial import SerialConfig
from textune.records import EndReason, Objective, Progress, StudyStart, TrialResult, TrialSpec, TrialState
from textune.run_folder import RunFolder
from textune.search.base import Pruner
from textune.search.grid import GridConfig
from textune.search.none import NoPrunerConfig
from textune.search.pruning import MedianConfig
from textune.search.random import RandomConfig
from textune.search.tpe import TpeConfig
from textune.seeds import derive
from textune.space import ChoiceDimension, FloatDimension, Space
from textune.study import Search, search
from textune.testing.quadratic import Quadratic, resolve
from textune.tracking.base import Tracker
from textune.tracking.log import EventLog, read_study

OBJECTIVE = Objective()


def a_space(*behaviours):
    dimensions = [FloatDimension("x", 0.0, 1.0, steps=5)]
    if behaviours:
        dimensions.append(ChoiceDimension("behaviour", behaviours))
    return Space(dimensions, lambda _params, _path: None)


def a_search(space=None, *, sampler=None, pruner=None, executor=None, trials=None, timeout_seconds=None, **parts):
    space = space or a_space()
    return Search(
        start=StudyStart(name="study", objective=OBJECTIVE, trials=trials, timeout_seconds=timeout_seconds),
        space=space,
        sampler=(sampler or RandomConfig()).build(space, OBJECTIVE, seed=1),
        new_pruner=lambda: (pruner or NoPrunerConfig()).build(OBJECTIVE, 4),
        executor=(executor or SerialConfig()).build(Quadratic()),
        **{"resolve": resolve, "seed": 1, **parts},
    )


class Witness(Tracker):
    """Keeps what it is told; raises `trouble` at the n-th event."""

    def __init__(self, trouble=None, at=0):
        self.trouble, self.at = trouble, at
        self.started, self.events, self.finished = [], [], []

    def start(self, study):
        self.started.append(study)

    def record(self, event):
        self.events.append(event)
        if self.trouble is not None and len(self.events) == self.at:
            raise self.trouble

    def finish(self, study):
        self.finished.append(study)


class TestHowASearchEnds:
    def test_after_its_trials(self):
        study = search(a_search(trials=7))
        assert (study.state, study.reason) == ("done", "all 7 trials were run")
        assert [trial.spec.number for trial in study.trials] == list(range(7))
        assert study.count(TrialState.COMPLETE) == 7

    def test_when_the_space_is_exhausted(self):
        study = search(a_search(sampler=GridConfig(), trials=None))
        assert (study.state, len(study.trials)) == ("done", 5)
        assert "exhausted" in study.reason

    def test_when_the_time_is_over(self):
        ticks = itertools.count()
        study = search(a_search(timeout_seconds=60, trials=1000, clock=lambda: 5.0 * next(ticks)))
        assert (study.state, study.reason) == ("done", "the time allowed, 60 s, was used up")
        assert 0 < len(study.trials) < 60 / 5
        assert all(trial.result.state is TrialState.COMPLETE for trial in study.trials)

    @pytest.mark.parametrize("executor", [SerialConfig(), ProcessesConfig(workers=2)])
    def test_by_ctrl_c(self, executor):
        tracker = Witness(KeyboardInterrupt(), at=9)
        study = search(a_search(executor=executor, trials=100, trackers=[tracker]))
        assert study.state == "interrupted"
        assert study.reason == "it was asked to stop at once"
        assert study.count(TrialState.COMPLETE) >= 1
        stopped = [trial.result for trial in study.trials if trial.result.state is not TrialState.COMPLETE]
        assert {(result.end, result.reason) for result in stopped} <= {
            (EndReason.INTERRUPTED, "interrupted: the study was interrupted")
        }
        assert all(trial.result is not None for trial in study.trials)
        assert tracker.finished == [study]

    def test_by_a_fatal_error_of_a_trial(self):
        study = search(a_search(a_space("fine", "fatal"), sampler=GridConfig()))
        assert (study.state, study.reason) == ("failed", "the disk is full")
        assert study.best is not None
        assert study.trials[-1].result.end is EndReason.INTERRUPTED

    def test_by_a_log_that_cannot_be_written(self, tmp_path, monkeypatch):
        log = EventLog(tmp_path)
        parts = a_search(trials=10, log=log, trackers=[Witness()])
        monkeypatch.setattr(parts.trackers[0], "record", lambda event: fill_disk(log, event))
        study = search(parts)
        log._lines._error = None
        log.close()
        assert study.state == "failed"
        assert "No space left" in study.reason
        assert len(study.trials) == 4

    def test_the_executor_is_closed_also_by_a_bug(self):
        parts = a_search(trials=3, resolve=lambda params: resolve(params) if params["x"] > 2 else 1 / 0)
        closed = []
        parts.executor.close = lambda: closed.append(True)
        with pytest.raises(ZeroDivisionError):
            search(parts)
        assert closed == [True]


def fill_disk(log, event):
    if isinstance(event, TrialSpec) and event.number == 3:
        log._lines._error = OSError(28, "No space left on device")


class TestTrials:
    def test_the_base_point_is_trial_0_and_counts(self):
        study = search(a_search(trials=3, base={"x": 7.0}, resolve=lambda params: resolve({"x": 0.3, **params})))
        assert len(study.trials) == 3
        assert (study.trials[0].spec.params, study.trials[0].spec.config) == ({"x": 7.0}, {"x": 0.3})

    def test_the_grid_and_the_base_point_are_searched_once_each(self):
        on_the_grid = search(
            a_search(sampler=GridConfig(), base={"x": 0.5}, resolve=lambda params: resolve({"x": 0.5, **params}))
        )
        beside_it = search(
            a_search(sampler=GridConfig(), base={"x": 0.3}, resolve=lambda params: resolve({"x": 0.3, **params}))
        )
        assert sorted(trial.spec.config["x"] for trial in on_the_grid.trials) == [0, 0.25, 0.5, 0.75, 1]
        assert sorted(trial.spec.config["x"] for trial in beside_it.trials) == [0, 0.25, 0.3, 0.5, 0.75, 1]

    def test_equal_configs_are_one_point(self):
        def rounded(params):
            return resolve({"x": round(params["x"])})

        study = search(a_search(trials=100, resolve=rounded))
        assert sorted(trial.spec.config["x"] for trial in study.trials) == [0, 1]
        assert "exhausted" in study.reason

    def test_a_spec_says_all_a_worker_needs(self):
        study = search(a_search(trials=2, stage=3, folder=RunFolder(Path("runs/mine"))))
        spec = study.trials[1].spec
        assert spec.seed == study.trials[0].spec.seed == derive(1, "trial")
        assert (spec.stage, spec.attempt, spec.folder, spec.objective) == (
            3,
            1,
            "runs/mine/trials/0001/attempt-1",
            OBJECTIVE,
        )

    def test_failures_are_rows_and_the_search_goes_on(self):
        behaviours = ("crash", "diverge", "out-of-memory", "no-result", "nan", "fine")
        study = search(a_search(a_space(*behaviours), sampler=GridConfig()))
        assert study.state == "done"
        assert study.count(TrialState.FAILED) == 5 * 4
        assert study.best.spec.params == {"x": 0.5, "behaviour": "fine"}

    def test_params_that_make_no_valid_config_are_a_failed_trial(self):
        def picky(params):
            if params["x"] == 0.25:
                raise StudyError([])
            if params["x"] == 0.75:
                raise ValueError("hidden_size must be\ndivisible by num_heads")
            return resolve(params)

        study = search(a_search(sampler=GridConfig(), resolve=picky))
        assert [trial.result.state.value for trial in study.trials] == [
            "complete",
            "failed",
            "complete",
            "failed",
            "complete",
        ]
        assert study.trials[3].result.reason == "crashed: hidden_size must be divisible by num_heads"

    @pytest.mark.parametrize("sampler", [RandomConfig(), TpeConfig(startup_trials=3)])
    def test_the_same_seed_gives_the_same_study(self, sampler):
        first, second = (search(a_search(sampler=sampler, trials=12)) for _ in range(2))
        assert [trial.spec for trial in first.trials] == [trial.spec for trial in second.trials]

    def test_random_params_do_not_depend_on_the_number_of_workers(self):
        alone = search(a_search(trials=12))
        together = search(a_search(trials=12, executor=ProcessesConfig(workers=3)))
        assert [trial.spec for trial in alone.trials] == [trial.spec for trial in together.trials]

    def test_workers_that_die_cost_their_trials_only(self):
        behaviours = ("fine", "kill", "exit")
        study = search(a_search(a_space(*behaviours), sampler=GridConfig(), executor=ProcessesConfig(workers=2)))
        assert (study.state, len(study.trials), study.count(TrialState.COMPLETE)) == ("done", 15, 5)
        ends = {trial.result.end for trial in study.trials if trial.spec.params["behaviour"] != "fine"}
        assert ends == {EndReason.WORKER_LOST}


class Strict(Pruner):
    def __init__(self, decide):
        self.should_prune = decide

    should_prune = None


class TestPruning:
    def parts(self, **parts):
        return a_search(sampler=GridConfig(), pruner=MedianConfig(startup_trials=1), **parts)

    def test_a_trial_that_is_behind_is_stopped_at_once(self):
        study = search(self.parts())
        worst, better = study.trials[0], study.trials[4]
        assert worst.result.state is TrialState.COMPLETE
        assert better.result.state is TrialState.PRUNED
        assert better.result.reason == "pruned: behind other trials at epoch 1"
        assert len(better.progress) == better.result.epochs == 1

    def test_a_trial_in_its_last_epoch_is_not_stopped(self):
        parts = replace(self.parts(), new_pruner=lambda: Strict(lambda progress: progress.epoch == progress.epochs))
        assert search(parts).count(TrialState.COMPLETE) == 5

    def test_the_base_point_runs_to_its_end(self):
        parts = self.parts(base={"x": 1.0}, resolve=lambda params: resolve({"x": 1.0, **params}))
        study = search(replace(parts, new_pruner=lambda: Strict(lambda _progress: True)))
        assert [trial.result.state.value for trial in study.trials] == ["complete"] + ["pruned"] * 4


class TestTelling:
    def test_trackers_hear_everything_in_order(self):
        tracker = Witness()
        parts = a_search(trials=2, trackers=[tracker])
        study = search(parts)
        assert tracker.started == [parts.start]
        assert [type(event) for event in tracker.events] == [TrialSpec, Progress, Progress, Progress, TrialResult] * 2
        assert tracker.finished == [study]

    def test_a_failing_tracker_is_reported_once_and_stops_nothing(self, caplog):
        class Broken(Witness):
            def record(self, event):
                raise OSError("the server\x1b is away")

        tracker = Witness()
        with caplog.at_level(logging.WARNING):
            study = search(a_search(trials=5, trackers=[Broken(), tracker]))
        assert study.count(TrialState.COMPLETE) == 5
        assert len(tracker.events) == 25
        assert len(caplog.records) == 1
        assert "Broken" in caplog.text

    @pytest.mark.parametrize("executor", [SerialConfig(), ProcessesConfig(workers=2)])
    def test_the_log_tells_the_same_study(self, tmp_path, executor):
        log = EventLog(tmp_path)
        study = search(a_search(a_space("fine", "crash"), trials=8, log=log, executor=executor, pruner=MedianConfig()))
        log.close()
        assert read_study(tmp_path) == study

    def test_events_of_an_older_attempt_are_dropped_and_counted(self, caplog):
        class Stale(Executor):
            """Says something about attempt 0 and about another trial before each real event."""

            slots = 1

            def __init__(self, executor):
                self.executor = executor
                self.submit, self.proceed, self.stop = executor.submit, executor.proceed, executor.stop
                self.close = executor.close

            submit = proceed = stop = close = None

            def wait(self, timeout_seconds=None):
                if not (real := self.executor.wait(timeout_seconds)):
                    return real
                late = TrialResult(trial=real[0].trial, attempt=0, end=EndReason.FINISHED, reason="finished", value=9)
                return [late, late.model_copy(update={"trial": 99}), *real]

        parts = a_search(trials=2)
        with caplog.at_level(logging.WARNING):
            study = search(Search(**{**vars(parts), "executor": Stale(parts.executor)}))
        assert study.best.result.value < 1
        assert "16 events" in caplog.text


def test_the_record_round_trips_as_json():
    study = search(a_search(a_space("fine", "crash"), trials=6))
    assert type(study).model_validate_json(study.model_dump_json()) == study
    assert json.loads(study.model_dump_json())["state"] == "done"


class TestTryingAgain:
    def run(self, *behaviours, **parts):
        return search(
            a_search(a_space(*behaviours), sampler=GridConfig(), executor=ProcessesConfig(workers=2), **parts)
        )

    def test_a_trial_whose_worker_died_is_tried_again(self):
        study = self.run("fine", "kill-once", "exit-once", max_retries=1)
        assert study.count(TrialState.COMPLETE) == 15
        attempts = {trial.spec.params["behaviour"]: trial.spec.attempt for trial in study.trials}
        assert attempts == {"fine": 1, "kill-once": 2, "exit-once": 2}

    def test_it_is_not_tried_for_ever(self):
        study = self.run("kill", max_retries=2)
        assert {(trial.result.end, trial.spec.attempt) for trial in study.trials} == {(EndReason.WORKER_LOST, 3)}

    def test_other_failures_are_not_tried_again(self):
        study = self.run("crash", "diverge", max_retries=2)
        assert {trial.spec.attempt for trial in study.trials} == {1}

    def test_after_a_kill_for_memory_it_begins_with_half(self):
        class Killing(Executor):
            """Says of each first attempt that the kernel killed it."""

            slots = 1

            def __init__(self, executor):
                self.executor, self.specs = executor, []
                self.proceed, self.stop, self.close = executor.proceed, executor.stop, executor.close

            proceed = stop = close = None

            def submit(self, spec):
                self.specs.append(spec)
                if spec.attempt > 1:
                    self.executor.submit(spec)

            def wait(self, timeout_seconds=None):
                spec = self.specs[-1]
                if spec.attempt > 1:
                    return self.executor.wait(timeout_seconds)
                killed = {
                    "end": EndReason.OUT_OF_MEMORY,
                    "reason": "out-of-memory: killed",
                    "details": {"killed": True},
                }
                return [TrialResult(trial=spec.number, attempt=1, **killed)]

        parts = a_search(trials=2, max_retries=1)
        executor = Killing(parts.executor)
        study = search(replace(parts, executor=executor))
        assert study.count(TrialState.COMPLETE) == 2
        assert [(spec.number, spec.attempt, spec.halvings) for spec in executor.specs] == [
            (0, 1, 0),
            (0, 2, 1),
            (1, 1, 0),
            (1, 2, 1),
        ]

    def test_a_trial_that_takes_too_long_is_ended(self):
        ticks = itertools.count()
        study = search(
            a_search(trials=3, trial_timeout_seconds=5.0, clock=lambda: 1.0 * next(ticks))  # a look costs a second
        )
        assert {trial.result.end for trial in study.trials} == {EndReason.TIMED_OUT}
        assert study.trials[0].result.reason == "timed-out: it took more than 5 s"
