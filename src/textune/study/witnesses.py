"""All that keep what happens: the log first, then the history and the trackers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from textune.errors import FatalError
from textune.execution.attempt import result_so_far
from textune.records import EndReason, Progress, StudyRecord, TrialResult
from textune.study.parts import Phase
from textune.tracking.base import Event, Tracker
from textune.tracking.history import SEARCH, EndState, StudyHistory

__all__ = ["Witnesses"]

_log = logging.getLogger("textune")


class Witnesses:
    """Told everything that happens, in order."""

    def __init__(self, parts: Phase) -> None:
        self._parts = parts
        self._history = StudyHistory(parts.start)
        self._here = self._history.phase(parts.name)
        self._begin = parts.clock()
        self._started: dict[int, float] = {}
        self._failed: set[Tracker] = set()
        self.num_late = 0

    def start(self) -> None:
        """The phase begins, or goes on: then trackers are told first what happened before; the log has it."""
        parts = self._parts
        if parts.opens:
            self._to_trackers(lambda tracker: tracker.start(parts.start))
        for event in parts.before.events:
            self._here.add(event)
            if not _goes_on(event):
                self._to_trackers(lambda tracker, event=event: tracker.replay(event))  # type: ignore[misc]
        if parts.opens and parts.name == SEARCH and parts.log is not None:
            parts.log.start(parts.start, resumed=parts.past is not None)

    def tell(self, event: Event) -> None:
        if self._parts.log is not None:
            self._parts.log.record(event, self._parts.name)
        self._here.add(event)
        if not _goes_on(event) or (isinstance(event, TrialResult) and event.end is EndReason.INTERRUPTED):
            self._to_trackers(lambda tracker: tracker.record(event))

    def submitted(self, trial: int) -> None:
        """A trial that was told of stops waiting: from now on its time counts."""
        self._started[trial] = self._parts.clock()

    def result(self, trial: int) -> TrialResult | None:
        """Returns how a trial ended, None while it may go on."""
        result = self._here.result(trial)
        return result if result is not None and result.final else None

    def progress(self, trial: int) -> list[Progress]:
        return self._here.progress(trial)

    def unfinished(self) -> bool:
        return bool(self._here.unfinished())

    def seconds(self, trial: int) -> float:
        """Returns the time since the running attempt of a trial was submitted; 0 while it waits."""
        now = self._parts.clock()
        return now - self._started.get(trial, now)

    def finish(self, state: EndState, reason: str) -> StudyRecord:
        """Ends what still runs as interrupted, and the phase. A log that cannot be written is told in `reason`."""
        if self.num_late:
            _log.warning("%d events of older attempts came too late and were dropped", self.num_late)
        with contextlib.suppress(FatalError):
            for trial in self._here.unfinished():
                if trial.result is not None:
                    continue  # interrupted, and told so
                seconds = self.seconds(trial.spec.number)
                result = result_so_far(trial.spec, trial.progress, EndReason.INTERRUPTED, "", seconds)
                self.tell(result.model_copy(update={"final": False}))
        parts = self._parts
        seconds = parts.before.seconds + parts.clock() - self._begin
        with contextlib.suppress(FatalError):
            if parts.log is not None:
                parts.log.end_phase(parts.name, parts.limits, state, reason, seconds)
        self._history.end(state, reason, seconds)
        record = self._history.record()
        if parts.closes:
            self.close(record)
        return record

    def close(self, record: StudyRecord) -> None:
        """Ends the study: nothing follows."""
        log, state = self._parts.log, record.state
        with contextlib.suppress(FatalError):
            if log is not None and state != "running":
                log.finish(state, record.reason, record.seconds)
        self._to_trackers(lambda tracker: tracker.finish(record))

    def _to_trackers(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in self._parts.trackers:
            try:
                tell(tracker)
            except Exception as error:
                if tracker not in self._failed:
                    self._failed.add(tracker)
                    name = type(tracker).__name__
                    _log.warning("%s failed, the study goes on: %s: %s", name, type(error).__name__, error)


def _goes_on(event: Event) -> bool:
    return isinstance(event, TrialResult) and not event.final
