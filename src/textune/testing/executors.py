"""What every executor keeps to. Inherit and give it a config, as with `SamplerContract`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textune.errors import FatalError
from textune.records import EndReason, Progress, TrialResult, TrialSpec
from textune.testing.quadratic import Quadratic

__all__ = ["ExecutorContract", "finish"]

EPOCHS = 3
PATIENCE_SECONDS = 60.0


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
        assert [event.epoch for event in executor.wait(PATIENCE_SECONDS)] == [1]
        assert executor.wait(0.05) == []
        executor.proceed(0)
        assert [event.epoch for event in executor.wait(PATIENCE_SECONDS)] == [2]

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
        (first,) = executor.wait(PATIENCE_SECONDS)
        executor.stop(3, EndReason.PRUNED, "behind others")
        (result,) = executor.wait(PATIENCE_SECONDS)
        assert result.end is EndReason.PRUNED
        assert result.reason == "pruned: behind others"
        assert (result.value, result.metrics, result.best_epoch, result.epochs) == (first.value, first.metrics, 1, 1)

    @pytest.mark.parametrize(
        ("behaviour", "end", "words"),
        [
            ("crash", EndReason.CRASHED, "crashed: ValueError: the third layer is missing"),
            ("diverge", EndReason.DIVERGED, "diverged: the loss was nan at epoch 2, step 7"),
            ("out-of-memory", EndReason.OUT_OF_MEMORY, "out-of-memory: "),
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

    def test_a_fatal_error_reaches_the_study(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0, params={"behaviour": "fatal"}))
        with pytest.raises(FatalError, match="the disk is full"):
            finish(executor, 0)

    def test_closing_ends_running_trials_and_can_be_repeated(self, executor: Any) -> None:
        executor.submit(TrialSpec(number=0))
        executor.wait(PATIENCE_SECONDS)
        executor.close()
        executor.close()
        assert executor.wait(0.0) == []


def finish(executor: Any, trial: int) -> list[Any]:
    """Lets the only running trial go on to its end and returns its events."""
    events: list[Progress | TrialResult] = []
    while not events or not isinstance(events[-1], TrialResult):
        arrived = executor.wait(PATIENCE_SECONDS)
        assert arrived, f"nothing was heard of trial {trial} for {PATIENCE_SECONDS:g} s"
        events += arrived
        if isinstance(events[-1], Progress):
            executor.proceed(trial)
    return events
