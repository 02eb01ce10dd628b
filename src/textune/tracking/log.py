"""The event log: everything that happened in a study, one line an event, written as it happens. All else is derived."""

from __future__ import annotations

import contextlib
import gc
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textune.errors import RunFolderError
from textune.records import StudyRecord, TrialResult, TrialSpec
from textune.run_folder import EVENTS
from textune.storage import dump_json
from textune.tracking.base import Event, StudyStart
from textune.tracking.history import SEARCH, EndState, StudyHistory
from textune.tracking.line_log import LineLog, WholeLines, remedy
from textune.tracking.log_lines import (
    FORMAT,
    STARTS,
    AnyLine,
    ConfirmedLine,
    EndLine,
    Limits,
    PhaseEnd,
    PhaseEndLine,
    SessionLine,
    StudyEnd,
    TestLine,
    TrialLine,
    parsed,
)

__all__ = ["FORMAT", "SEARCH", "EndState", "EventLog", "Limits", "Past", "PastPhase", "read_past", "read_study"]


_IN_RUN_FOLDER = re.compile(r"(trials|confirmation|fidelity)/\d+/attempt-\d+(/checkpoint\.safetensors)?\Z")


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
        end = PhaseEnd(state=state, reason=reason, seconds=seconds, limits=limits)
        self._append("phase-ended", end.model_dump_json(), phase)

    def confirm(self, confirmation: Mapping[str, Any]) -> None:
        """Records what the confirmation came to."""
        self._append("confirmed", dump_json(confirmation))

    def read_test(self, test: Mapping[str, Any]) -> None:
        """Records the one reading of the test split."""
        self._append("test-read", dump_json(test))

    def finish(self, state: EndState, reason: str, seconds: float) -> None:
        self._append("study-ended", StudyEnd(state=state, reason=reason, seconds=seconds).model_dump_json())

    def close(self) -> None:
        """Forces everything to disk. Idempotent."""
        self._lines.close()

    def _append(self, name: str, content: str, phase: str = "") -> None:
        more = f'"format":{FORMAT},' if name in STARTS else f'"phase":"{phase}",' if phase else ""
        self._lines.append(f'{{"event":"{name}",{more}"time":{time.time():.3f},"content":{content}}}')


def _name(event: Event) -> str:
    if isinstance(event, TrialResult):
        return "trial-ended" if event.final else "attempt-ended"
    return "trial-started" if isinstance(event, TrialSpec) else "progress"


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
        RunFolderError: there is no log, it is damaged, or another version of textune wrote it; names file and line.
    """
    path = folder / EVENTS
    lines, reader = WholeLines(path), _Reader(folder)
    with _collector_paused():
        _read_all(path, lines, reader)
        return reader.past(lines.torn_bytes)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Records hold no cycles, and each pass of the collector would look at all of those read so far."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # what was read becomes old without a pass over it
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _read_all(path: Path, lines: WholeLines, reader: _Reader) -> None:
    for number, text in lines:
        try:
            reader.read(parsed(text))
        except ValueError as error:
            raise RunFolderError(f"{path}:{number}: {error}; {remedy(path, number)}") from error


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


class _OutOfOrderError(ValueError):
    """A line cannot follow those before it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: lines are missing, doubled or out of order")


class _Reader:
    """Takes the lines of the log of a run folder one by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start: StudyStart | None = None
        self._history: StudyHistory | None = None
        self._spells: dict[str, _Spell] = {}
        self._before, self._since = 0.0, 0.0
        self._open: str | None = None
        self._over: set[str] = set()
        self._shared = _Shared()

    def read(self, line: AnyLine) -> None:
        """Takes the next line.

        Raises:
            _OutOfOrderError: it cannot follow the others.
        """
        if isinstance(line, SessionLine):
            self._begin(line)
            return
        history = self._history
        if history is None:
            raise _OutOfOrderError("the log does not begin with the start of a study")
        if history.has_ended and not isinstance(line, TestLine):
            raise _OutOfOrderError(f"'{line.event}' follows the end of the study")
        match line:
            case ConfirmedLine():
                _raise(history.why_not_confirmed(line.content))
                history.confirm(line.content)
            case TestLine():
                history.read_test(line.content)
            case EndLine():
                history.end(line.content.state, line.content.reason, line.content.seconds)
                return
            case PhaseEndLine():
                self._enter(line.phase).end(line.content)
                self._open = None
                self._over.add(line.phase)
            case _:
                self._add(line, history)
        if not history.has_ended:
            history.seconds = self._before + line.time - self._since

    def past(self, torn_bytes: int) -> Past | None:
        """Returns what the lines hold, None where there were none."""
        if self._start is None or self._history is None:
            return None
        phases = {name: PastPhase(tuple(each.events), each.seconds, each.ended) for name, each in self._spells.items()}
        return Past(self._start, phases, self._history.record(), self._history.seconds, torn_bytes)

    def _begin(self, line: SessionLine) -> None:
        """A session starts."""
        if (line.event == STARTS[0]) != (self._history is None):
            raise _OutOfOrderError(f"'{line.event}' {'begins the log' if self._history is None else 'comes again'}")
        self._start = line.content
        if self._history is None:
            self._history = StudyHistory(self._start)
        else:
            self._before = self._history.seconds
            self._history.resume(self._start)
        self._since, self._open = line.time, None
        self._over.clear()
        for spell in self._spells.values():
            spell.pause()

    def _add(self, line: TrialLine, history: StudyHistory) -> None:
        """A trial starts, measures or ends."""
        event: Event = line.content
        if isinstance(event, TrialSpec):
            self._shared.share(event.config)
            places = {"folder": self._here(event.folder), "checkpoint": self._here(event.checkpoint)}
            if (event.folder, event.checkpoint) != tuple(places.values()):
                event = event.model_copy(update=places)
        elif isinstance(event, TrialResult):
            if event.final != (line.event == "trial-ended"):
                raise _OutOfOrderError(f"'{line.event}' is of a trial that {'had ended' if event.final else 'goes on'}")
            if (place := self._here(event.folder)) != event.folder:
                event = event.model_copy(update={"folder": place})
        spell = self._enter(line.phase)
        _raise(history.phase(line.phase).why_not(event))
        history.add(event, line.phase)
        spell.add(event, line.time)

    def _here(self, place: str | None) -> str | None:
        """Returns where a file of a trial is now: the run folder may have been moved, or the current folder changed."""
        inside = None if place is None else _IN_RUN_FOLDER.search(place)
        return place if inside is None else str(self._folder / inside[0])

    def _enter(self, phase: str) -> _Spell:
        """Phases of a session follow each other."""
        if phase in self._over:
            raise _OutOfOrderError(f"the line is of phase '{phase}', which had ended before")
        if self._open not in (None, phase):
            raise _OutOfOrderError(f"phase '{phase}' begins, and phase '{self._open}' has not ended")
        self._open = phase
        if phase not in self._spells:
            self._spells[phase] = _Spell()
        return self._spells[phase]


def _raise(reason: str) -> None:
    if reason:
        raise _OutOfOrderError(reason)


class _Shared:
    """Keeps equal parts of configs once: most trials of a study differ in a few settings."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def share(self, config: dict[str, Any]) -> None:
        """Replaces parts of a config by equal ones of earlier configs."""
        for name, part in config.items():
            if not isinstance(part, dict):
                continue
            key = _identity(part)
            if key not in self._parts:
                for inner, each in part.items():
                    if isinstance(each, dict):
                        part[inner] = self._parts.setdefault(_identity(each), each)
            config[name] = self._parts.setdefault(key, part)


def _identity(part: Any) -> str:
    """Returns what only equal JSON values have; unlike `==` it tells 1, 1.0 and true apart."""
    return dump_json(part)


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

    def end(self, end: PhaseEnd) -> None:
        self.seconds = end.seconds
        if end.state == "done":
            self.ended = end.reason, end.limits
        self.pause()

    def pause(self) -> None:
        """The session ended, or another one starts."""
        self._before, self._since = self.seconds, None
