"""What every executor keeps to. Inherit and give it a config, as with `SamplerContract`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textune.errors import FatalError
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.testing.quadratic import CHECKPOINT, Quadratic
from textune.testing.studies import outcome, run_study

__all__ = ["ExecutorContract", "IsolatingExecutorContract", "finish", "next_event", "start_endless"]

EPOCHS = 3
PATIENCE_SECONDS = 60.0
RANDOM = {"model.encoder": {"kind": "cnn"}, "model.embedding.dropout": 0.2, "data.rows": 200, "search.trials": 4}
"""A study whose trials take long enough to run at the same time."""


class ExecutorContract:
    """Runs trials of a `Quadratic`, which misbehave where asked to."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the executor's config; override."""
        raise NotImplementedError

    @pytest.fixture
    def executor(self, config: Any) -> Iterator[Any]:
        executor = config.build(Quadratic(EPOCHS))
        yield executor
        executor.close()

    def test_a_trial_measures_each_epoch_and_ends(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=7, attempt=2, params={"x": 0.25}))
        *progress, result = finish(executor, 7)
        assert [event.epoch for event in progress] == [1, 2, 3]
        assert {(event.trial, event.attempt) for event in (*progress, result)} == {(7, 2)}
        assert (result.end, result.value) == (EndReason.FINISHED, -0.0625)

    def test_values_cross_unchanged(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": "nan", "choice": {"a": [1, None]}}))
        *progress, result = finish(executor, 0)
        assert progress[0].value != progress[0].value
        assert result.value != result.value

    def test_a_trial_waits_after_each_measurement(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0))
        assert next_event(executor).epoch == 1
        assert executor.wait(0.05) == []
        executor.proceed(0)
        assert next_event(executor).epoch == 2

    def test_waiting_is_over_when_the_time_is_up(self, executor: Any) -> None:
        start_endless(executor, TrialSpec(number=0))
        begin = time.monotonic()
        assert executor.wait(0.2) == []
        assert time.monotonic() - begin < PATIENCE_SECONDS / 10

    def test_every_slot_can_be_filled_again(self, executor: Any) -> None:
        for first in (0, 100):
            numbers = range(first, first + executor.slots)
            for number in numbers:
                executor.submit(TrialSpec(number=number))
            ended: set[int] = set()
            while len(ended) < executor.slots:
                for event in executor.wait(PATIENCE_SECONDS):
                    if isinstance(event, TrialResult):
                        ended.add(event.trial)
                    else:
                        executor.proceed(event.trial)
            assert ended == set(numbers)

    def test_a_stopped_trial_keeps_its_best_measurement(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=3, params={"x": 1.0}))
        first = next_event(executor)
        executor.stop(3, EndReason.PRUNED, "behind others")
        result = next_event(executor)
        assert result.end is EndReason.PRUNED
        assert result.reason == "pruned: behind others"
        assert (result.value, result.metrics, result.best_epoch, result.epochs) == (first.value, first.metrics, 1, 1)

    @pytest.mark.parametrize("end", [EndReason.PRUNED, EndReason.TIMED_OUT, EndReason.INTERRUPTED])
    def test_a_trial_can_be_stopped_within_an_epoch(self, executor: Any, end: EndReason) -> None:
        first = start_endless(executor, TrialSpec(number=3))
        executor.stop(3, end, "")
        result = next_event(executor)
        assert (result.end, result.reason) == (end, f"{end.value}: {end.sentence}")
        assert (result.value, result.epochs) == (first.value, 1)
        executor.submit(TrialSpec(number=4))
        assert finish(executor, 4)[-1].end is EndReason.FINISHED

    def test_stopping_a_trial_that_has_ended_does_nothing(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0))
        finish(executor, 0)
        executor.stop(0, EndReason.TIMED_OUT, "")
        executor.submit(TrialSpec(number=1))
        executor.stop(0, EndReason.TIMED_OUT, "")
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_an_interrupted_trial_goes_on_from_its_checkpoint(self, executor: Any, tmp_path: Path) -> None:
        params = {"behaviour": "endless-once"}
        start_endless(executor, TrialSpec(number=0, params=params, folder=str(tmp_path / "attempt-1")))
        executor.stop(0, EndReason.INTERRUPTED, "")
        assert next_event(executor).end is EndReason.INTERRUPTED
        checkpoint, folder = tmp_path / "attempt-1" / CHECKPOINT, str(tmp_path / "attempt-2")
        executor.submit(TrialSpec(number=0, attempt=2, params=params, folder=folder, checkpoint=str(checkpoint)))
        *progress, result = finish(executor, 0)
        assert [event.epoch for event in progress] == [2, 3]
        assert (result.end, result.attempt) == (EndReason.FINISHED, 2)

    def test_a_trial_that_is_not_interrupted_leaves_no_newer_checkpoint(self, executor: Any, tmp_path: Path) -> None:
        executor.submit(TrialSpec(number=0, folder=str(tmp_path)))
        next_event(executor)
        executor.stop(0, EndReason.PRUNED, "")
        next_event(executor)
        assert not (tmp_path / CHECKPOINT).exists()

    @pytest.mark.parametrize(
        ("behaviour", "words"), [("unsaved", "; it could not be saved: OSError: the folder is gone"), ("stubborn", "")]
    )
    def test_a_trial_that_cannot_be_interrupted_ends(self, executor: Any, behaviour: str, words: str) -> None:
        start_endless(executor, TrialSpec(number=0, params={"behaviour": behaviour}))
        executor.stop(0, EndReason.INTERRUPTED, "")
        result = next_event(executor)
        assert result.end is EndReason.INTERRUPTED
        assert result.reason.startswith("interrupted: the study was interrupted" + words)

    @pytest.mark.parametrize(
        ("behaviour", "end", "words"),
        [
            ("crash", EndReason.CRASHED, "crashed: ValueError: the third layer is missing"),
            ("diverge", EndReason.DIVERGED, "diverged: the loss was nan at epoch 2, step 7"),
            ("out-of-memory", EndReason.OUT_OF_MEMORY, "out-of-memory: "),
            ("quit", EndReason.CRASHED, "crashed: SystemExit: 4"),
            ("no-result", EndReason.CRASHED, "crashed: the objective returned None"),
        ],
    )
    def test_a_failure_ends_one_trial_with_its_reason(
        self, executor: Any, behaviour: str, end: EndReason, words: str, tmp_path: Path
    ) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": behaviour}, folder=str(tmp_path / "attempt-1")))
        result = finish(executor, 0)[-1]
        assert result.end is end
        assert result.reason.startswith(words)
        assert "\n" not in result.reason
        assert result.value is not None
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED

    def test_a_crash_leaves_its_traceback_in_the_attempt_folder(self, executor: Any, tmp_path: Path) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": "crash"}, folder=str(tmp_path / "attempt-1")))
        finish(executor, 0)
        assert "Traceback" in (tmp_path / "attempt-1" / "log.txt").read_text(encoding="utf-8")

    @pytest.mark.parametrize("behaviour", ["fatal", "full-disk"])
    def test_a_fatal_error_reaches_the_study(self, executor: Any, behaviour: str) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": behaviour}))
        with pytest.raises(FatalError, match="the disk is full"):
            finish(executor, 0)

    def test_what_a_trial_writes_is_there_when_it_has_ended(self, executor: Any, tmp_path: Path) -> None:
        executor.submit(TrialSpec(number=0, folder=str(tmp_path / "trials" / "attempt-1")))
        finish(executor, 0)
        assert (tmp_path / "trials" / "attempt-1" / CHECKPOINT).read_text(encoding="ascii") == str(EPOCHS)

    def test_a_whole_study_comes_to_what_it_comes_to_in_one_process(self, config: Any, tmp_path: Path) -> None:
        """Trials draw random numbers, for dropout and at first: what one draws must not depend on the others."""
        studies = []
        for name, execution in (("alone", "serial"), ("here", config)):
            (tmp_path / name).mkdir()
            studies.append(run_study(tmp_path / name, {**RANDOM, "execution": execution}))
        for alone, here in zip(*studies, strict=True):
            assert outcome(here) == outcome(alone), f"trial {here.spec.number} comes to other numbers"

    def test_closing_ends_running_trials_and_can_be_repeated(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0))
        next_event(executor)
        executor.close()
        executor.close()
        assert executor.wait(0.0) == []


class IsolatingExecutorContract(ExecutorContract):
    """What an executor keeps to, besides, whose trials run in processes of their own."""

    @pytest.mark.parametrize("behaviour", ["kill", "exit", "segfault"])
    def test_a_worker_that_dies_ends_one_trial(self, executor: Any, behaviour: str) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": behaviour}))
        first, result = finish(executor, 0)
        assert (result.end, result.value, result.epochs) == (EndReason.WORKER_LOST, first.value, 1)
        executor.submit(TrialSpec(number=0, attempt=2))
        assert [event.attempt for event in finish(executor, 0)] == [2] * (EPOCHS + 1)

    @pytest.mark.parametrize("behaviour", ["hang", "hang-in-c"])
    def test_a_trial_that_hangs_can_be_stopped(self, executor: Any, behaviour: str) -> None:
        first = start_endless(executor, TrialSpec(number=0, params={"behaviour": behaviour}))
        executor.stop(0, EndReason.TIMED_OUT, "it took too long")
        result = next_event(executor)
        assert (result.end, result.value) == (EndReason.TIMED_OUT, first.value)
        assert result.reason.startswith("timed-out: it took too long")
        executor.submit(TrialSpec(number=1))
        assert finish(executor, 1)[-1].end is EndReason.FINISHED


def next_event(executor: Any) -> Any:
    """Returns the next event of the only running trial."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (events := executor.wait(1.0)):
        assert time.monotonic() < deadline, f"nothing was heard for {PATIENCE_SECONDS:g} s"
    (event,) = events
    return event


def finish(executor: Any, trial: int) -> list[Any]:
    """Lets the only running trial go on to its end and returns its events."""
    events: list[Progress | TrialResult] = []
    while not events or not isinstance(events[-1], TrialResult):
        events.append(next_event(executor))
        if isinstance(events[-1], Progress):
            executor.proceed(trial)
    return events


def start_endless(executor: Any, spec: TrialSpec) -> Any:
    """Starts a trial, if it is not told otherwise one that goes on for ever; returns its measurement before that."""
    executor.submit(spec if spec.params else spec.model_copy(update={"params": {"behaviour": "endless"}}))
    measured = next_event(executor)
    executor.proceed(spec.number)
    assert executor.wait(0.05) == []
    return measured
