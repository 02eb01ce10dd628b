"""A line for each training of a list whose trainings take differently long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textune.records import StudyStart, TrialResult, TrialSpec
from textune.tracking.base import Event, Tracker
from textune.tracking.wording import count, duration, number, plain, short_form

__all__ = ["Trainings"]


class Trainings(Tracker):
    """Tells each training that ends, and how long the rest may take.

    Args:
        say: tells a person.
        work: of each training, by number; in any unit.
        slots: how many run at once.
    """

    def __init__(self, say: Callable[[str], None], work: Sequence[float], slots: int) -> None:
        self._say, self._work, self._slots = say, work, slots
        self._specs: dict[int, TrialSpec] = {}
        self._num_ended, self._done, self._seconds = 0, 0.0, 0.0

    def start(self, study: StudyStart) -> None:
        trainings = f"{count(len(self._work))} trainings"
        self._say(f"{plain(study.name)}: {trainings}; time left appears after the first one")

    def record(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif isinstance(event, TrialResult) and event.final:
            self._end(event)
            self._say(self._line(self._specs[event.trial], event))

    def replay(self, event: Event) -> None:
        """An earlier session has shown it."""
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif isinstance(event, TrialResult):
            self._end(event)

    def _end(self, result: TrialResult) -> None:
        self._num_ended += 1
        self._done += self._work[result.trial]
        self._seconds += result.seconds

    def _line(self, spec: TrialSpec, result: TrialResult) -> str:
        again = " again" if spec.repeat is not None and spec.repeat.number == 1 else ""
        what = (
            f"[{self._num_ended}/{len(self._work)}] configuration {spec.candidate} {short_form(spec.fidelity)}{again}"
        )
        value = plain(result.reason) if result.value is None else number(result.value)
        left = self._seconds / self._done * (sum(self._work) - self._done) / self._slots
        parts = [f"{what}: {value}", duration(result.seconds)]
        if self._num_ended < len(self._work):
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)
