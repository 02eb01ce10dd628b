"""A study that was cut off at any event goes on as if nothing had happened."""

import itertools
import json
import signal
from dataclasses import replace

import pytest

from textune.errors import FatalError, RunFolderError
from textune.execution.serial import SerialConfig
from textune.records import EndReason, Objective, StudyStart, TrialResult, TrialState
from textune.run_folder import RunFolder
from textune.search.none import NoPrunerConfig
from textune.search.pruning import MedianConfig, SuccessiveHalvingConfig
from textune.search.random import RandomConfig
from textune.search.tpe import TpeConfig
from textune.space import ChoiceDimension, FloatDimension, Space
from textune.study import Search, StopSignals, search
from textune.testing.quadratic import Quadratic, resolve
from textune.tracking.base import Tracker
from textune.tracking.line_log import LineLog, read_events
from textune.tracking.log import EventLog, read_past, read_study

OBJECTIVE = Objective()
TRIALS = 12


def a_search(folder, *, sampler=None, pruner=None, trials=TRIALS, choices=None, timeout_seconds=None, **parts):
    """A search in a run folder, which goes on with what is there."""
    dimensions = [FloatDimension("x", 0.0, 1.0)]
    if choices:
        dimensions = [ChoiceDimension("x", choices)]
    space = Space(dimensions, lambda *_: None)
    past = read_past(folder) if (folder / "events.jsonl").exists() else None
    return Search(
        start=StudyStart(name="study", objective=OBJECTIVE, trials=trials, timeout_seconds=timeout_seconds),
        resolve=resolve,
        space=space,
        sampler=(sampler or RandomConfig()).build(space, OBJECTIVE, seed=1),
        new_pruner=lambda: (pruner or NoPrunerConfig()).build(OBJECTIVE, 4),
        executor=SerialConfig().build(Quadratic()),
        seed=1,
        folder=RunFolder(folder),
        log=EventLog(folder),
        past=past,
        **parts,
    )


def run(folder, **settings):
    parts = a_search(folder, **settings)
    study = search(parts)
    parts.log.close()
    return study


def story(study):
    """What must not depend on interruptions."""
    return [
        (
            trial.spec.number,
            trial.spec.params,
            trial.spec.repeat_of,
            [(each.epoch, each.value) for each in trial.progress],
            (trial.result.end, trial.result.reason, trial.result.value, trial.result.epochs, trial.result.best_epoch),
        )
        for trial in study.trials
    ]


def cut(folder, source, num_lines):
    """Makes a run folder whose log has the first lines of another."""
    folder.mkdir()
    lines = (source / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:num_lines]))
    return lines[:num_lines]


STUDIES = [
    {"sampler": RandomConfig(), "pruner": MedianConfig(startup_trials=2)},
    {"sampler": TpeConfig(startup_trials=3), "pruner": SuccessiveHalvingConfig()},
    {"sampler": TpeConfig(startup_trials=3), "choices": tuple(range(TRIALS))},  # proposes points that had a trial
    {"sampler": TpeConfig(startup_trials=3), "pruner": SuccessiveHalvingConfig(), "lag": 2},
    {"sampler": TpeConfig(startup_trials=3), "choices": tuple(range(TRIALS)), "lag": 2},
]


@pytest.mark.parametrize("settings", STUDIES, ids=["random", "tpe", "repeats", "lag", "lag-repeats"])
def test_cut_off_at_any_event_it_comes_to_the_same(tmp_path, settings):
    (tmp_path / "whole").mkdir()
    whole = run(tmp_path / "whole", **settings)
    num_lines = len((tmp_path / "whole" / "events.jsonl").read_bytes().splitlines())
    for number in range(1, num_lines):
        folder = tmp_path / str(number)
        kept = cut(folder, tmp_path / "whole", number)
        study = run(folder, **settings)
        assert story(study) == story(whole), number
        assert study.best.spec.number == whole.best.spec.number
        assert read_study(folder) == study
        lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
        assert lines[:number] == kept
        ends = [line["content"]["trial"] for line in map(json.loads, lines) if line["event"] == "trial-ended"]
        assert sorted(ends) == list(range(TRIALS))


def test_a_torn_line_is_cut(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = run(tmp_path / "whole")
    cut(tmp_path / "torn", tmp_path / "whole", 9)
    with (tmp_path / "torn" / "events.jsonl").open("ab") as file:
        file.write(b'{"event":"trial-started","ti')
    assert read_past(tmp_path / "torn").torn_bytes == 28
    assert story(run(tmp_path / "torn")) == story(whole)


class StopAt(Tracker):
    """Sends this process signals at the n-th event."""

    def __init__(self, at, *signals):
        self.at, self.signals, self.count = at, signals, itertools.count(1)

    def record(self, event):
        if next(self.count) == self.at:
            for each in self.signals:
                signal.raise_signal(each)


class TestInterrupts:
    @pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("at", [1, 3, 5, 12])
    def test_it_goes_on_after_a_signal(self, tmp_path, kind, at):
        (tmp_path / "whole").mkdir()
        (tmp_path / "cut").mkdir()
        whole = run(tmp_path / "whole")
        stopped = run(tmp_path / "cut", trackers=[StopAt(at, kind)])
        assert (stopped.state, stopped.reason) == ("interrupted", "it was asked to stop")
        assert all(trial.result is not None for trial in stopped.trials)
        assert story(run(tmp_path / "cut")) == story(whole)

    def test_the_second_signal_stops_at_once(self, tmp_path):
        stopped = run(tmp_path, trackers=[StopAt(6, signal.SIGINT, signal.SIGINT)])
        assert (stopped.state, stopped.reason) == ("interrupted", "it was asked to stop at once")

    def test_interrupted_trials_are_told_as_such_and_not_as_ended(self, tmp_path):
        stopped = run(tmp_path, trackers=[StopAt(7, signal.SIGINT)])
        last = stopped.trials[-1].result
        assert (last.end, last.final) == (EndReason.INTERRUPTED, False)
        names = [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert names[-3:] == ["attempt-ended", "phase-ended", "study-ended"]
        assert read_study(tmp_path) == stopped

    def test_a_signal_as_the_last_trial_ends_is_not_forgotten(self, tmp_path):
        study = run(tmp_path, trials=3, trackers=[StopAt(3 * 5, signal.SIGINT)])
        assert (study.state, study.reason) == ("interrupted", "it was asked to stop")
        assert study.count(TrialState.COMPLETE) == 3
        assert run(tmp_path, trials=3).state == "done"

    def test_a_signal_before_the_first_trial_starts_none(self, tmp_path):
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGINT)
            study = run(tmp_path, trials=3, stop=stop)
        assert (study.state, study.trials) == ("interrupted", ())
        assert run(tmp_path, trials=3).state == "done"


class TestWhatMayChange:
    def test_more_trials(self, tmp_path):
        for name, counts in {"one": [TRIALS], "two": [5, TRIALS]}.items():
            (tmp_path / name).mkdir()
            for trials in counts:
                run(tmp_path / name, trials=trials, sampler=TpeConfig(startup_trials=3))
        assert story(read_study(tmp_path / "one")) == story(read_study(tmp_path / "two"))

    def test_time_counts_over_all_sessions(self, tmp_path):
        def clock():
            return next(ticks)

        ticks = itertools.count(0.0, 5.0)
        first = run(tmp_path, trials=1000, timeout_seconds=300, clock=clock, trackers=[StopAt(5, signal.SIGINT)])
        assert first.state == "interrupted"
        log = (tmp_path / "events.jsonl").read_bytes()
        past = read_past(tmp_path)
        assert past.seconds == first.seconds > 0
        second = run(tmp_path, trials=1000, timeout_seconds=300, clock=clock)
        assert second.reason == "the time allowed, 300 s, was used up"
        assert second.seconds < 300 + 60
        assert (tmp_path / "events.jsonl").read_bytes().startswith(log)

    def test_another_sampler_is_refused_and_nothing_is_changed(self, tmp_path):
        run(tmp_path, trials=4)
        log = (tmp_path / "events.jsonl").read_bytes()
        with pytest.raises(RunFolderError, match=r"the log has trial 0 with .* where the sampler now proposes"):
            run(tmp_path, trials=8, choices=(0.1, 0.2))
        assert (tmp_path / "events.jsonl").read_bytes() == log


def test_trackers_are_told_of_earlier_sessions_once(tmp_path):
    class Told(Tracker):
        def __init__(self):
            self.replayed, self.recorded = [], []

        def record(self, event):
            self.recorded.append(event)

        def replay(self, event):
            self.replayed.append(event)

    run(tmp_path, trackers=[StopAt(7, signal.SIGINT)])
    tracker = Told()
    study = run(tmp_path, trackers=[tracker])
    told = [event for event in (*tracker.replayed, *tracker.recorded) if isinstance(event, TrialResult)]
    assert told == [trial.result for trial in study.trials]


class TestLostWorkers:
    def test_a_full_log_ends_the_study_and_it_goes_on(self, tmp_path):
        class Full(Tracker):
            def record(self, event):
                raise_at.pop() if raise_at else None
                if len(raise_at) == 1:
                    parts.log._lines._error = OSError(28, "No space left on device")

        raise_at = list(range(9))
        parts = replace(a_search(tmp_path), trackers=[Full()])
        study = search(parts)
        parts.log._lines._error = None
        parts.log.close()
        assert study.state == "failed"
        assert "No space left" in study.reason
        (tmp_path / "whole").mkdir()
        assert story(run(tmp_path)) == story(run(tmp_path / "whole"))


def test_a_log_that_failed_once_is_not_written_again(tmp_path):
    log = EventLog(tmp_path)
    log._lines._error = OSError(28, "No space left on device")
    for _ in range(2):
        with pytest.raises(FatalError, match="No space left"):
            log.finish("done", "", 0.0)
    log._lines._error = None
    log.close()


def test_the_time_of_a_trial_begins_when_it_is_run_not_while_it_waits(tmp_path):
    """A session with many workers had begun them all; in the next one there is a single worker."""
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole")
    lines, _ = read_events(tmp_path / "whole" / "events.jsonl")
    (tmp_path / "begun").mkdir()
    with LineLog(tmp_path / "begun" / "events.jsonl") as log:
        for line in lines:
            if line["event"] in {"study-started", "trial-started"}:
                log.append(line)
    ticks = itertools.count()
    study = run(tmp_path / "begun", trial_timeout_seconds=20.0, clock=lambda: 1.0 * next(ticks))
    assert {trial.result.end for trial in study.trials} == {EndReason.FINISHED}
    assert next(ticks) > 3 * 20, "all of them together took longer than one may"
