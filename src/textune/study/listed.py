"""A plan that is known from the start: a list of trials, whatever they come to."""

from __future__ import annotations

from collections.abc import Sequence

from textune.records import TrialResult, TrialSpec

__all__ = ["Listed"]


class Listed:
    """Runs the trials of a list in its order; the first has number 0."""

    def __init__(self, specs: Sequence[TrialSpec]) -> None:
        self._specs, self._begun, self._ended = specs, 0, 0
        self.over = ""
        self.refused: dict[int, str] = {}

    def next(self) -> TrialSpec | None:
        return self.propose()

    def propose(self) -> TrialSpec | None:
        if self._begun == len(self._specs):
            return None
        self._begun += 1
        return self._specs[self._begun - 1]

    def ended(self, result: TrialResult) -> None:  # noqa: ARG002 - what follows does not depend on it
        self._ended += 1
        if self._ended == len(self._specs):
            self.over = f"all {self._ended} trainings were run"
