"""What a person sees of a confirmation: how far it is to the next look, and what each look decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textune.records import Progress, TrialResult, TrialSpec, TrialState
from textune.tracking.base import Event, Tracker
from textune.tracking.wording import duration, number, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Round", "RoundsView"]

LONG_SECONDS = 10.0
"""Once a training took longer, each has a line of its own where there is no live region."""


@dataclass(frozen=True)
class Round:
    """The race up to its next look, or after its last.

    Attributes:
        candidates: that are in it, the leader first once there is one.
        dropped: that dropped out at the look before, or failed.
        repeats: of each candidate so far.
        ended: trainings so far.
        planned: trainings at the next look; as `ended` after the last one.
    """

    candidates: Sequence[int]
    dropped: Sequence[int]
    repeats: int
    ended: int
    planned: int


class RoundsView(Tracker):
    """Shows the trainings of a confirmation.

    Args:
        say: writes a line.
        is_live: whether `live` is on show, so that a training needs no line.
        clock: seconds that only go forward.
    """

    def __init__(
        self, say: Callable[[str], None], is_live: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.say, self._is_live, self._clock = say, is_live, clock
        self._specs: dict[int, TrialSpec] = {}
        self._round: Round | None = None
        self._ended = 0
        self._ended_before: int | None = None
        self._begin = 0.0
        self._is_slow = False

    def tell(self, this: Round) -> None:
        """A round of the race begins, or the race ends. What earlier sessions decided is not said again."""
        self._round = this
        if this.repeats and this.candidates and self._ended >= this.ended:
            leader, *_ = this.candidates
            out = f", {_trials(this.dropped)} dropped out" if this.dropped else ""
            self.say(f"after {this.repeats} repeat{'' if this.repeats == 1 else 's'}: trial {leader} leads{out}")

    def record(self, event: Event) -> None:
        if self._ended_before is None:
            self._ended_before, self._begin = self._ended, self._clock()
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif isinstance(event, TrialResult):
            spec = self._end(event)
            self._is_slow |= event.seconds >= LONG_SECONDS
            if event.state is not TrialState.COMPLETE or (self._is_slow and not self._is_live()):
                self.say(self._line(spec, event))

    def replay(self, event: Event) -> None:
        """An earlier session has shown it."""
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif not isinstance(event, Progress):
            self._end(event)

    def live(self) -> RenderableType | None:
        """Returns how far it is, None before it begins."""
        from rich.text import Text

        if self._round is None:
            return None
        this, ended = self._round, self._ended
        if this.ended >= this.planned:
            return Text("the repeats are over; what was chosen is scored and handed over", style="dim")
        parts = [f"confirming  {ended} of {this.planned} trainings to the next look"]
        parts.append(f"in it: {_trials(this.candidates)}")
        if self._ended_before is not None and ended > self._ended_before:
            left = (self._clock() - self._begin) * (this.planned - ended) / (ended - self._ended_before)
            parts.append(f"{duration(left)} left")
        return Text(" · ".join(parts), style="dim")

    def _end(self, result: TrialResult) -> TrialSpec:
        spec = self._specs[result.trial]
        if result.final and spec.repeat is not None and spec.repeat.purpose == "race":
            self._ended += 1
        return spec

    def _line(self, spec: TrialSpec, result: TrialResult) -> str:
        repeat = "" if spec.repeat is None else f", repeat {spec.repeat.number + 1}"
        value = number(result.value) if result.state is TrialState.COMPLETE else plain(result.reason)
        return f"trial {spec.candidate}{repeat}: {value}, {duration(result.seconds)}"


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
