"""The contracts of samplers and pruners.

Both learn from three events in the order they happened: a TrialSpec (a trial started), a Progress, a TrialResult.
What they answer depends on (study seed, stage, trial number, what was asked and told) and on nothing else. So a new one
that is asked and told again what stands in a log is where the old one was; no state of theirs is ever stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textune.config.base import Config
from textune.records import Objective, Progress, TrialResult, TrialSpec
from textune.space import Space

__all__ = ["Event", "IsNew", "Params", "Pruner", "PrunerConfig", "Sampler", "SamplerConfig"]

Params = Mapping[str, Any]
IsNew = Callable[[Params], bool]
Event = TrialSpec | Progress | TrialResult


class Sampler(ABC):
    """Proposes params."""

    @abstractmethod
    def ask(self, number: int, is_new: IsNew) -> Params | None:
        """Returns params for trial `number`, or None if the space is exhausted.

        An exact sampler (grid, random, qmc) returns new params only. A sampler that learns returns what it proposes,
        even if that point had a trial: the search then tries a random new point, and tells the sampler its params.

        Args:
            is_new: True for params whose resolved config no trial had yet.
        """

    def repetition(self, number: int) -> int:  # noqa: ARG002 - only few repeat points
        """Returns which repetition of its point trial `number`, which was asked for, is: 0 is the first.

        The seeds of a trial are drawn by it: equal ones have equal seeds whatever the point, so that they can be
        compared in pairs, and one point at two repetitions is two trials.
        """
        return 0

    def tell(self, event: Event) -> None:  # noqa: B027 - most samplers do not learn
        """Told of every trial, including those it did not propose: the base point, and a point tried in place of a
        proposal that had a trial. In logs of earlier versions, a trial may repeat another (`repeat_of`).

        A later attempt at a trial is told as a TrialSpec of the same number; its measurements are told once. A result
        that is not final changes nothing.
        """


class Pruner(ABC):
    """Stops trials that are behind."""

    @abstractmethod
    def should_prune(self, progress: Progress) -> bool:
        """Takes note of one measurement and says whether to stop the trial. Compares equal fold and epoch only."""

    def tell(self, event: TrialSpec | TrialResult) -> None:  # noqa: B027 - not every pruner needs the ends
        """Told when a trial starts and ends."""


class SamplerConfig(Config):
    """Settings of a sampler. `takes_base`: the base point is always one of those that `num_trials` counts."""

    takes_base: ClassVar[bool] = False

    @abstractmethod
    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> Sampler:
        """Returns a sampler that has been told nothing yet. `seed` is the study's.

        Raises:
            StudyError: this sampler cannot search this space.
        """

    def num_trials(self, space: Space) -> int | None:  # noqa: ARG002 - only exact samplers know
        """Returns how many trials make the search whole, or None if that is the user's choice."""
        return None

    def left_out(self, space: Space) -> tuple[str, ...]:  # noqa: ARG002 - most vary all there is
        """Returns the dimensions that never vary, as their conditions do not hold for the study as written."""
        return ()


class PrunerConfig(Config):
    @abstractmethod
    def build(self, objective: Objective, max_epochs: int) -> Pruner:
        """Returns a pruner that has been told nothing yet. No trial of the search trains more than `max_epochs`."""
