"""What the events of a study add up to, and which event can follow which."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from textune.json_records import Confirmation, TestReading
from textune.records import Progress, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.tracking.base import Event, StudyStart

__all__ = ["SEARCH", "EndState", "PhaseHistory", "StudyHistory"]

EndState = Literal["done", "interrupted", "failed"]

SEARCH = "search"
"""How phases in which the space is searched begin; all others are of the confirmation."""


class StudyHistory:
    """Gathers events into a StudyRecord."""

    def __init__(self, start: StudyStart) -> None:
        self._start = start
        self._phases: dict[str, PhaseHistory] = {}
        self._confirmation: Confirmation | None = None
        self._test: TestReading | None = None
        self._state: Literal["running"] | EndState = "running"
        self._reason = ""
        self.seconds = 0.0

    def add(self, event: Event, phase: str = SEARCH) -> None:
        self.phase(phase).add(event)

    def resume(self, start: StudyStart) -> None:
        """The study goes on: another trial may come out best, so what was chosen and tested is of the past."""
        self._start, self._confirmation, self._test, self._state, self._reason = start, None, None, "running", ""

    def confirm(self, confirmation: Confirmation) -> None:
        self._confirmation = confirmation

    def read_test(self, test: TestReading) -> None:
        self._test = test

    def end(self, state: Literal["running"] | EndState, reason: str, seconds: float) -> None:
        self._state, self._reason, self.seconds = state, reason, seconds

    @property
    def has_ended(self) -> bool:
        return self._state != "running"

    def phase(self, name: str) -> PhaseHistory:
        if name not in self._phases:
            self._phases[name] = PhaseHistory()
        return self._phases[name]

    def why_not_confirmed(self, confirmation: Confirmation) -> str:
        """Returns why a confirmation cannot be one of this study; empty if it can."""
        searched = {
            number for name, phase in self._phases.items() if name.startswith(SEARCH) for number in phase.numbers
        }
        candidates = [each["trial"] for each in confirmation["candidates"]]
        compared = [each[side] for each in confirmation.get("comparisons", ()) for side in ("trial", "leader")]
        if unknown := {*candidates, *compared} - searched:
            return f"the confirmation compares trial {min(unknown)}, which the search does not have"
        if confirmation["chosen"] is not None and confirmation["chosen"] not in candidates:
            return f"the confirmation chooses trial {confirmation['chosen']}, which is not among its candidates"
        if unknown := set(compared) - set(candidates):
            return f"the confirmation compares trial {min(unknown)}, which is not among its candidates"
        return ""

    def record(self) -> StudyRecord:
        searches = [phase for name, phase in self._phases.items() if name.startswith(SEARCH)]
        others = [name for name in self._phases if not name.startswith(SEARCH)]
        latest = others[-1].partition("/")[2] if others else ""  # earlier ones are of a search with fewer trials
        repeats = [self._phases[name] for name in others if name.partition("/")[2] == latest]
        return StudyRecord(
            name=self._start.name,
            state=self._state,
            reason=self._reason,
            objective=self._start.objective,
            header=self._start.header,
            trials=tuple(trial for phase in searches for trial in phase.trials()),
            repeats=tuple(trial for phase in repeats for trial in phase.trials()),
            confirmation=self._confirmation,
            test=self._test,
            seconds=self.seconds,
        )


class PhaseHistory:
    """The trials of a phase."""

    def __init__(self) -> None:
        self._specs: dict[int, TrialSpec] = {}
        self._progress: dict[int, list[Progress]] = {}
        self._results: dict[int, TrialResult] = {}
        self._measured: set[tuple[int, int, int]] = set()

    @property
    def numbers(self) -> Collection[int]:
        return self._specs.keys()

    def why_not(self, event: Event) -> str:
        """Returns why an event cannot follow those before it; empty if it can."""
        number = event.number if isinstance(event, TrialSpec) else event.trial
        spec = self._specs.get(number)
        if self.result(number) is not None and self._results[number].final:
            return f"trial {number} had ended before"
        if isinstance(event, TrialSpec):
            return self._why_no_start(event, spec)
        if spec is None:
            return f"trial {number} had not started before"
        if event.attempt != spec.attempt:
            return f"trial {number} is in attempt {spec.attempt}, and the line is of attempt {event.attempt}"
        if isinstance(event, Progress) and (number, event.fold, event.epoch) in self._measured:
            return f"trial {number} measured epoch {event.epoch} before"
        return ""

    def _why_no_start(self, started: TrialSpec, before: TrialSpec | None) -> str:
        number, due = started.number, 1 if before is None else before.attempt + 1
        if started.attempt != due:
            return f"attempt {started.attempt} of trial {number} starts where attempt {due} is due"
        if before is None and self._specs and number - 1 not in self._specs:
            return f"trial {number} starts, and trial {number - 1} had not started before"
        if started.repeat_of is not None and started.repeat_of not in self._specs:
            return f"trial {number} repeats trial {started.repeat_of}, which had not started before"
        return ""

    def add(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
            self._progress.setdefault(event.number, [])
            self._results.pop(event.number, None)  # of an earlier attempt
        elif isinstance(event, Progress):
            self._progress[event.trial].append(event)
            self._measured.add((event.trial, event.fold, event.epoch))
        else:
            self._results[event.trial] = event

    def result(self, trial: int) -> TrialResult | None:
        return self._results.get(trial)

    def progress(self, trial: int) -> list[Progress]:
        """Returns the measurements of a trial, those of earlier attempts first."""
        return list(self._progress.get(trial, ()))

    def unfinished(self) -> list[TrialRecord]:
        """Returns the trials that started and did not end for good."""
        return [trial for trial in self.trials() if trial.result is None or not trial.result.final]

    def trials(self) -> list[TrialRecord]:
        return [
            TrialRecord(spec=spec, progress=tuple(self._progress[number]), result=self._results.get(number))
            for number, spec in sorted(self._specs.items())
        ]
