"""The event log: everything that happened in a study, one line an event, written as it happens. All else is derived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from textune.errors import RunFolderError
from textune.records import Progress, Record, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.run_folder import EVENTS
from textune.storage import LineLog, dump_json, read_events
from textune.tracking.base import Event, StudyStart

__all__ = ["SEARCH", "EndState", "EventLog", "Limits", "Past", "PastPhase", "StudyHistory", "read_past", "read_study"]

EndState = Literal["done", "interrupted", "failed"]

Limits = tuple[int | None, float | None]
"""Trials, and seconds, that a phase may take."""

SEARCH = "search"
"""How phases in which the space is searched begin; all others are of the confirmation."""

STARTS = ("study-started", "study-resumed")


class _End(Record):
    """How a study ended, or stopped."""

    state: EndState
    reason: str
    seconds: float


class _PhaseEnd(_End):
    """How a phase ended, or stopped, and within which limits."""

    limits: Limits


_EVENTS: dict[str, type[Event]] = {
    "trial-started": TrialSpec,
    "progress": Progress,
    "trial-ended": TrialResult,
    "attempt-ended": TrialResult,  # another attempt follows, or may
}


class EventLog:
    """Appends events to a run folder's `events.jsonl`.

    A study runs in phases: its searches, then the confirmation. Lines: study-started, study-resumed; in each phase
    trial-started, progress, attempt-ended, trial-ended, phase-ended; confirmed, test-read, study-ended. Each has its
    Unix time. Every method raises FatalError if it cannot write: a study must not go on unrecorded.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = LineLog(folder / EVENTS)

    def start(self, study: StudyStart, *, resumed: bool = False) -> None:
        self._append(STARTS[resumed], study.model_dump_json())

    def record(self, event: Event, phase: str = SEARCH) -> None:
        self._append(_name(event), event.model_dump_json(), phase)

    def end_phase(self, phase: str, limits: Limits, state: EndState, reason: str, seconds: float) -> None:
        end = _PhaseEnd(state=state, reason=reason, seconds=seconds, limits=limits)
        self._append("phase-ended", end.model_dump_json(), phase)

    def confirm(self, confirmation: Mapping[str, Any]) -> None:
        """Records what the confirmation came to."""
        self._append("confirmed", dump_json(confirmation))

    def read_test(self, test: Mapping[str, Any]) -> None:
        """Records the one reading of the test split."""
        self._append("test-read", dump_json(test))

    def finish(self, state: EndState, reason: str, seconds: float) -> None:
        self._append("study-ended", _End(state=state, reason=reason, seconds=seconds).model_dump_json())

    def close(self) -> None:
        """Forces everything to disk. Idempotent."""
        self._lines.close()

    def _append(self, name: str, content: str, phase: str = "") -> None:
        of_phase = f'"phase":"{phase}",' if phase else ""
        self._lines.append(f'{{"event":"{name}",{of_phase}"time":{time.time():.3f},"content":{content}}}')


def _name(event: Event) -> str:
    if isinstance(event, TrialResult):
        return "trial-ended" if event.final else "attempt-ended"
    return "trial-started" if isinstance(event, TrialSpec) else "progress"


class StudyHistory:
    """Gathers events into a StudyRecord."""

    def __init__(self, start: StudyStart) -> None:
        self._start = start
        self._phases: dict[str, _Phase] = {}
        self._confirmation: dict[str, Any] | None = None
        self._test: dict[str, Any] | None = None
        self._state: Literal["running"] | EndState = "running"
        self._reason = ""
        self.seconds = 0.0

    def add(self, event: Event, phase: str = SEARCH) -> None:
        self._phases.setdefault(phase, _Phase()).add(event)

    def resume(self, start: StudyStart) -> None:
        """The study goes on: another trial may come out best, so what was chosen and tested is of the past."""
        self._start, self._confirmation, self._test, self._state, self._reason = start, None, None, "running", ""

    def confirm(self, confirmation: dict[str, Any]) -> None:
        self._confirmation = confirmation

    def read_test(self, test: dict[str, Any]) -> None:
        self._test = test

    def end(self, state: Literal["running"] | EndState, reason: str, seconds: float) -> None:
        self._state, self._reason, self.seconds = state, reason, seconds

    def phase(self, name: str) -> _Phase:
        return self._phases.setdefault(name, _Phase())

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


class _Phase:
    """The trials of a phase."""

    def __init__(self) -> None:
        self._specs: dict[int, TrialSpec] = {}
        self._progress: dict[int, list[Progress]] = {}
        self._results: dict[int, TrialResult] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
            self._progress.setdefault(event.number, [])
            self._results.pop(event.number, None)  # of an earlier attempt
        elif isinstance(event, Progress):
            self._progress[event.trial].append(event)
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


@dataclass(frozen=True)
class PastPhase:
    """What the log holds of a phase.

    Attributes:
        events: in order.
        seconds: how long it ran.
        ended: why it came to its end within these limits; None: it did not.
    """

    events: tuple[Event, ...] = ()
    seconds: float = 0.0
    ended: tuple[str, Limits] | None = None


@dataclass(frozen=True)
class Past:
    """What the log of a study holds, for the next session to go on from.

    Attributes:
        start: of the latest session.
        phases: name → what happened in it, in all sessions.
        record: how the study stands.
        seconds: the time it ran, all sessions together.
        torn_bytes: what a power cut or a full disk left of a last line; it is cut when the study goes on.
    """

    start: StudyStart
    phases: Mapping[str, PastPhase]
    record: StudyRecord
    seconds: float
    torn_bytes: int

    def phase(self, name: str) -> PastPhase:
        return self.phases.get(name, PastPhase())


def read_past(folder: Path) -> Past | None:
    """Returns what the log holds, None where it has no whole line; of a study that runs, or was killed, up to now.

    Raises:
        RunFolderError: there is no log, it is damaged, or another version of textune wrote it.
    """
    path = folder / EVENTS
    lines, torn_bytes = read_events(path)
    if not lines:
        return None
    if lines[0].get("event") != STARTS[0]:
        raise RunFolderError(f"{path} does not begin with the start of a study; start anew with --fresh")
    try:
        return _gather(lines, torn_bytes)
    except (ValidationError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunFolderError(f"{path} is not understood; another version of textune wrote it: {reason}") from error


def read_study(folder: Path) -> StudyRecord:
    """Returns a study as its log tells it; one that still runs, or was killed, is `running`.

    Raises:
        RunFolderError: there is no log, it is damaged, or another version of textune wrote it.
    """
    past = read_past(folder)
    if past is None:
        raise RunFolderError(
            f"{folder / EVENTS} holds no whole line: the study was stopped before its first trial; run it again"
        )
    return past.record


def _gather(lines: Sequence[Mapping[str, Any]], torn_bytes: int) -> Past:
    start = StudyStart.model_validate(lines[0]["content"])
    history, phases = StudyHistory(start), dict[str, _Spell]()
    before, since, running = 0.0, lines[0]["time"], True
    for line in lines:
        name, content, phase = line["event"], line["content"], line.get("phase", SEARCH)
        if not isinstance(phase, str):
            raise TypeError(f"a phase is named {phase!r}")
        if name in _EVENTS:
            event = _EVENTS[name].model_validate(content)
            history.add(event, phase)
            phases.setdefault(phase, _Spell()).add(event, line["time"])
        elif name == "phase-ended":
            phases.setdefault(phase, _Spell()).end(_PhaseEnd.model_validate(content))
        elif name in STARTS:
            start = StudyStart.model_validate(content)
            before, since, running = history.seconds, line["time"], True
            history.resume(start)
            for spell in phases.values():
                spell.pause()
        elif name == "confirmed":
            history.confirm(content)
        elif name == "test-read":
            history.read_test(content)
        elif name == "study-ended":
            running = False
            end = _End.model_validate(content)
            history.end(end.state, end.reason, end.seconds)
        else:
            raise KeyError(name)
        if running:
            history.seconds = before + line["time"] - since
    told = {phase: PastPhase(tuple(spell.events), spell.seconds, spell.ended) for phase, spell in phases.items()}
    return Past(start, told, history.record(), history.seconds, torn_bytes)


class _Spell:
    """What a phase comes to, line by line; its time is known from its end, or until then from its lines."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seconds = 0.0
        self.ended: tuple[str, Limits] | None = None
        self._before = 0.0
        self._since: float | None = None

    def add(self, event: Event, time: float) -> None:
        self.events.append(event)
        self.ended = None
        self._since = time if self._since is None else self._since
        self.seconds = self._before + time - self._since

    def end(self, end: _PhaseEnd) -> None:
        self.seconds = end.seconds
        if end.state == "done":
            self.ended = end.reason, end.limits
        self.pause()

    def pause(self) -> None:
        """The session ended, or another one starts."""
        self._before, self._since = self.seconds, None
