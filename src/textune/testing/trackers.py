"""What every tracker keeps to. Inherit and give it a config, as with `SamplerContract`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textune.records import EndReason, Objective, Progress, StudyRecord, StudyStart, TrialRecord, TrialResult, TrialSpec
from textune.testing.studies import run_study

__all__ = ["TrackerContract", "an_eventful_study"]

NAN = float("nan")
PARAMS = {"training.optimizer.learning_rate": 1e-3, "model.encoder": {"kind": "rnn"}, "data.text": "=cmd()"}
START = StudyStart(name="study", objective=Objective(), paths=tuple(PARAMS), metrics=("valid.accuracy", "valid.loss"))


def an_eventful_study() -> list[TrialSpec | Progress | TrialResult]:
    """Returns the events of a study in which each end reason occurs, trials overlap and NaN is measured."""
    events: list[TrialSpec | Progress | TrialResult] = []
    for number, end in enumerate(EndReason):
        events.append(TrialSpec(number=number, params=PARAMS if number else {}))
        value = 0.5 if number % 2 else NAN
        measured = {"valid.accuracy": value, "valid.loss": float("inf")}
        if number:
            events.append(Progress(trial=number, epoch=1, epochs=2, value=value, metrics=measured))
        result = TrialResult(trial=number, end=end, reason=f"{end.value}: {end.sentence}")
        if number:
            result = result.model_copy(update={"value": value, "metrics": measured, "best_epoch": 1, "epochs": 1})
        events.append(result)
    events[-1], last = TrialSpec(number=number + 1), events[-1]
    return [*events, last]


class TrackerContract:
    """Tells a tracker a whole study in which everything happens that can happen."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the tracker's config; override."""
        raise NotImplementedError

    def test_it_takes_every_event_of_a_study(self, config: Any, tmp_path: Path) -> None:
        tracker, events = config.build(tmp_path), an_eventful_study()
        tracker.start(START)
        for event in events:
            tracker.record(event)
        trials = tuple(TrialRecord(spec=event) for event in events if isinstance(event, TrialSpec))
        tracker.finish(StudyRecord(name="study", state="interrupted", reason="Ctrl-C", trials=trials))

    def test_it_takes_a_study_without_a_trial(self, config: Any, tmp_path: Path) -> None:
        tracker = config.build(tmp_path)
        tracker.start(START)
        tracker.finish(StudyRecord(name="study", state="failed", reason="no data"))

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"tracking": [config.dump()]})
