"""The event log: everything that happened in a study, one line an event, written as it happens. All else is derived."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from textune.records import Progress, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.tracking.base import Event, StudyStart

__all__ = ["EVENTS", "EndState", "EventLog", "StudyHistory", "read_study"]

EVENTS = "events.jsonl"
EndState = Literal["done", "interrupted", "failed"]
NAMES: dict[type[BaseModel], str] = {TrialSpec: "trial-started", Progress: "progress", TrialResult: "trial-ended"}


class EventLog:
    """Appends events to a run folder's `events.jsonl`.

    Lines: study-started, trial-started, progress, trial-ended, test-read, study-ended; each with its Unix time.

    Raises:
        FatalError: an event cannot be written (disk full, folder gone); a study must not go on unrecorded.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / EVENTS).open("a", encoding="utf-8")

    def start(self, study: StudyStart) -> None:
        self._append("study-started", study.model_dump_json())

    def record(self, event: Event) -> None:
        self._append(NAMES[type(event)], event.model_dump_json())

    def read_test(self, test: dict[str, Any]) -> None:
        """Records the one reading of the test split."""
        self._append("test-read", json.dumps(test))

    def finish(self, state: EndState, reason: str, seconds: float) -> None:
        self._append("study-ended", json.dumps({"state": state, "reason": reason, "seconds": seconds}))

    def close(self) -> None:
        self._file.close()

    def _append(self, name: str, content: str) -> None:
        self._file.write(f'{{"event":"{name}","time":{time.time():.3f},"content":{content}}}\n')
        self._file.flush()


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
        elif isinstance(event, Progress):
            self._progress[event.trial].append(event)
        else:
            self._results[event.trial] = event

    def read_test(self, test: dict[str, Any]) -> None:
        self._test = test

    def end(self, state: Literal["running"] | EndState, reason: str, seconds: float) -> None:
        self._state, self._reason, self._seconds = state, reason, seconds

    def progress(self, trial: int) -> list[Progress]:
        return self._progress[trial]

    def record(self) -> StudyRecord:
        trials = tuple(
            TrialRecord(spec=spec, progress=tuple(self._progress[number]), result=self._results.get(number))
            for number, spec in sorted(self._specs.items())
        )
        return StudyRecord(
            name=self._start.name,
            state=self._state,
            reason=self._reason,
            objective=self._start.objective,
            header=dict(self._start.header),
            trials=trials,
            test=self._test,
            seconds=self._seconds,
        )


def read_study(folder: Path) -> StudyRecord:
    """Returns a study as its log tells it; one that runs, or was killed, is `running`.

    Raises:
        RunFolderError: there is no log, or it is damaged.
    """
    lines = _lines(folder / EVENTS)
    first = next(lines)
    history = StudyHistory(StudyStart.model_validate(first["content"]))
    for line in lines:
        content = line["content"]
        match line["event"]:
            case "trial-started":
                history.add(TrialSpec.model_validate(content))
            case "progress":
                history.add(Progress.model_validate(content))
            case "trial-ended":
                history.add(TrialResult.model_validate(content))
            case "test-read":
                history.read_test(content)
            case "study-ended":
                history.end(content["state"], content["reason"], content["seconds"])
    return history.record()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
