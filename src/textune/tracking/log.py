"""The event log: everything that happened in a study, one line an event, written as it happens. All else is derived."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from textune.errors import RunFolderError
from textune.records import Progress, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.run_folder import EVENTS
from textune.storage import LineLog, dump_json, read_events
from textune.tracking.base import Event, StudyStart

__all__ = ["EndState", "EventLog", "StudyHistory", "read_study"]

EndState = Literal["done", "interrupted", "failed"]

_EVENTS: dict[str, type[Event]] = {"trial-started": TrialSpec, "progress": Progress, "trial-ended": TrialResult}
_NAMES = {cls: name for name, cls in _EVENTS.items()}


class EventLog:
    """Appends events to a run folder's `events.jsonl`.

    Lines: study-started, trial-started, progress, trial-ended, test-read, study-ended; each with its Unix time.
    Every method raises FatalError if it cannot write: a study must not go on unrecorded.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = LineLog(folder / EVENTS)

    def start(self, study: StudyStart) -> None:
        self._append("study-started", study.model_dump_json())

    def record(self, event: Event) -> None:
        self._append(_NAMES[type(event)], event.model_dump_json())

    def read_test(self, test: Mapping[str, Any]) -> None:
        """Records the one reading of the test split."""
        self._append("test-read", dump_json(test))

    def finish(self, state: EndState, reason: str, seconds: float) -> None:
        self._append("study-ended", dump_json({"state": state, "reason": reason, "seconds": seconds}))

    def close(self) -> None:
        """Forces everything to disk. Idempotent."""
        self._lines.close()

    def _append(self, name: str, content: str) -> None:
        self._lines.append(f'{{"event":"{name}","time":{time.time():.3f},"content":{content}}}')


class StudyHistory:
    """Gathers events into a StudyRecord."""

    def __init__(self, start: StudyStart) -> None:
        self._start = start
        self._specs: dict[int, TrialSpec] = {}
        self._progress: dict[int, list[Progress]] = {}
        self._results: dict[int, TrialResult] = {}
        self._test: dict[str, Any] | None = None
        self._state: Literal["running"] | EndState = "running"
        self._reason = ""
        self._seconds = 0.0

    def add(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
            self._progress[event.number] = []
            self._results.pop(event.number, None)  # of an earlier attempt
        elif isinstance(event, Progress):
            self._progress[event.trial].append(event)
        else:
            self._results[event.trial] = event

    def read_test(self, test: dict[str, Any]) -> None:
        self._test = test

    def end(self, state: Literal["running"] | EndState, reason: str, seconds: float) -> None:
        self._state, self._reason, self._seconds = state, reason, seconds

    def unfinished(self) -> list[TrialRecord]:
        """Returns the trials that started and did not end."""
        return [trial for trial in self._trials() if trial.result is None]

    def record(self) -> StudyRecord:
        return StudyRecord(
            name=self._start.name,
            state=self._state,
            reason=self._reason,
            objective=self._start.objective,
            header=self._start.header,
            trials=tuple(self._trials()),
            test=self._test,
            seconds=self._seconds,
        )

    def _trials(self) -> list[TrialRecord]:
        return [
            TrialRecord(spec=spec, progress=tuple(self._progress[number]), result=self._results.get(number))
            for number, spec in sorted(self._specs.items())
        ]


def read_study(folder: Path) -> StudyRecord:
    """Returns a study as its log tells it; one that still runs, or was killed, is `running`.

    Raises:
        RunFolderError: there is no log, it is damaged, or another version of textune wrote it.
    """
    path = folder / EVENTS
    lines, _ = read_events(path)
    if not lines or lines[0]["event"] != "study-started":
        raise RunFolderError(f"{path} does not begin with the start of a study; start anew with --fresh")
    try:
        history = StudyHistory(StudyStart.model_validate(lines[0]["content"]))
        history.end("running", "", lines[-1]["time"] - lines[0]["time"])
        for line in lines[1:]:
            _replay(history, line["event"], line["content"])
    except (ValidationError, KeyError) as error:
        raise RunFolderError(f"{path} is not understood; another version of textune wrote it: {error}") from error
    return history.record()


def _replay(history: StudyHistory, name: str, content: dict[str, Any]) -> None:
    if name in _EVENTS:
        history.add(_EVENTS[name].model_validate(content))
    elif name == "test-read":
        history.read_test(content)
    elif name == "study-ended":
        history.end(content["state"], content["reason"], content["seconds"])
    else:
        raise KeyError(name)
