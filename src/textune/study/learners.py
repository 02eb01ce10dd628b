"""Sampler and pruner, and what of the study they get to see: all of it, or the same however many workers there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from textune.records import Progress, TrialResult, TrialSpec
from textune.search.base import IsNew, Params, Pruner, Sampler
from textune.tracking.base import Event

__all__ = ["LaggedLearners", "Learners", "NoLearners", "PromptLearners"]


class Learners(ABC):
    """A sampler and a pruner, told of each trial once: that it started, each measurement, how it ended at last."""

    @abstractmethod
    def can_ask(self, number: int) -> bool:
        """Whether they know enough for trial `number` to be asked for."""

    @abstractmethod
    def ask(self, number: int, is_new: IsNew) -> Params | None:
        """Returns params for trial `number`, None if the space is exhausted."""

    @abstractmethod
    def tell(self, event: TrialSpec | TrialResult) -> None:
        """A trial started, or ended."""

    @abstractmethod
    def measure(self, progress: Progress) -> bool:
        """A trial measured something; returns whether it is behind others."""


class NoLearners(Learners):
    """Where nothing is learned: what is tried stands firm, and nothing is stopped."""

    def can_ask(self, number: int) -> bool:  # noqa: ARG002
        return True

    def ask(self, number: int, is_new: IsNew) -> Params | None:  # noqa: ARG002
        return None

    def tell(self, event: TrialSpec | TrialResult) -> None:
        pass

    def measure(self, progress: Progress) -> bool:  # noqa: ARG002
        return False


def _in_stage(event: Event, first: int) -> Event:
    """Returns an event as samplers count trials: from the first of their stage."""
    if first == 0:
        return event
    if isinstance(event, TrialSpec):
        repeat_of = None if event.repeat_of is None else event.repeat_of - first
        return event.model_copy(update={"number": event.number - first, "repeat_of": repeat_of})
    return event.model_copy(update={"trial": event.trial - first})


class PromptLearners(Learners):
    """Told everything at once. With several workers what they know depends on which trial is quicker."""

    def __init__(self, sampler: Sampler, pruner: Pruner, first: int = 0) -> None:
        self._sampler, self._pruner, self._first = sampler, pruner, first

    def can_ask(self, number: int) -> bool:  # noqa: ARG002
        return True

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        return self._sampler.ask(number - self._first, is_new)

    def tell(self, event: TrialSpec | TrialResult) -> None:
        self._sampler.tell(_in_stage(event, self._first))
        self._pruner.tell(event)

    def measure(self, progress: Progress) -> bool:
        self._sampler.tell(_in_stage(progress, self._first))
        return self._pruner.should_prune(progress)


class LaggedLearners(Learners):
    """Trial n sees exactly the trials numbered below n - lag, all of them ended, in the order of their numbers.

    Each running trial has a pruner of its own, to which those trials are told anew.
    """

    def __init__(self, sampler: Sampler, new_pruner: Callable[[], Pruner], lag: int, first: int = 0) -> None:
        self._sampler, self._new_pruner, self._lag, self._first = sampler, new_pruner, lag, first
        self._events: dict[int, list[Event]] = {}
        self._ended: set[int] = set()
        self._num_ended_in_order = first
        self._num_told = first
        self._pruners: dict[int, Pruner] = {}

    def can_ask(self, number: int) -> bool:
        return self._num_ended_in_order >= number - self._lag

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        while self._num_told < number - self._lag:
            for event in self._events[self._num_told]:
                self._sampler.tell(_in_stage(event, self._first))
            self._num_told += 1
        return self._sampler.ask(number - self._first, is_new)

    def tell(self, event: TrialSpec | TrialResult) -> None:
        if isinstance(event, TrialSpec):
            self._events[event.number] = [event]
            self._pruners[event.number] = self._pruner_for(event.number)
            self._pruners[event.number].tell(event)
            return
        self._events[event.trial].append(event)
        del self._pruners[event.trial]
        self._ended.add(event.trial)
        while self._num_ended_in_order in self._ended:
            self._num_ended_in_order += 1

    def measure(self, progress: Progress) -> bool:
        self._events[progress.trial].append(progress)
        return self._pruners[progress.trial].should_prune(progress)

    def _pruner_for(self, number: int) -> Pruner:
        pruner = self._new_pruner()
        for earlier in range(self._first, number - self._lag):
            for event in self._events[earlier]:
                if isinstance(event, Progress):
                    pruner.should_prune(event)
                else:
                    pruner.tell(event)
        return pruner
