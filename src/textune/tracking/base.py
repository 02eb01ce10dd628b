"""The contract of a tracker: it is told every event of a study and derives something from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from textune.config.base import Config
from textune.records import Progress, StudyRecord, StudyStart, TrialResult, TrialSpec

__all__ = ["Event", "StudyStart", "Tracker", "TrackerConfig"]

Event = TrialSpec | Progress | TrialResult
"""What happens in a study: a trial starts, measures something, ends."""


class Tracker(ABC):
    """Told every event, in order, by the coordinator alone. An exception is reported and never stops the study."""

    def start(self, study: StudyStart) -> None:  # noqa: B027 - optional
        """Called once, before the first trial."""

    @abstractmethod
    def record(self, event: Event) -> None:
        """Called for every event."""

    def replay(self, event: Event) -> None:
        """Called, right after `start`, for every event of earlier sessions of a study that goes on."""
        self.record(event)

    def finish(self, study: StudyRecord) -> None:  # noqa: B027 - optional
        """Called once after the last trial, also when the study was interrupted or failed."""


class TrackerConfig(Config):
    @abstractmethod
    def build(self, folder: Path) -> Tracker:
        """Returns a tracker that may write to the run folder."""
