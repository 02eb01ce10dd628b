"""What every sampler with every pruner keeps to: told again what stands in a log, they go on as if nothing happened.

class TestMine(ResumeContract):
    @pytest.fixture
    def sampler_config(self): return MyConfig()
    @pytest.fixture
    def pruner_config(self): return MedianConfig()
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import pytest

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec
from textune.seeds import generator
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space, same_text

__all__ = ["ResumeContract", "Step", "record"]

Event = TrialSpec | Progress | TrialResult
EPOCHS = 4
SLOTS = 2
BASE = {"x": 7.0, "n": 3, "c": "b"}
"""A base point outside the space."""
DIVERGES, IS_NAN, LOSES_ITS_WORKER = 2, 4, 6
"""The trials that do, whatever the pruner says."""
NEVER_PRUNED = (0, DIVERGES, LOSES_ITS_WORKER)


class Step(NamedTuple):
    """One line of a log, and what the pruner said to it."""

    event: Event
    behind: bool = False


class ResumeContract:
    """Records a search of two trials at a time, then leaves it and takes it up again at each of its events."""

    trials: ClassVar[int] = 14
    stride: ClassVar[int] = 1
    """Taken up again at every so many events; more than 1 for samplers that are slow."""

    @pytest.fixture
    def sampler_config(self) -> Any:
        """Returns the sampler's config; override."""
        raise NotImplementedError

    @pytest.fixture
    def pruner_config(self) -> Any:
        """Returns the pruner's config; override."""
        raise NotImplementedError

    def test_it_goes_on_from_every_event(self, sampler_config: Any, pruner_config: Any) -> None:
        steps = record(sampler_config, pruner_config, self.trials)
        for place in range(0, len(steps), self.stride):
            learners = _Learners(sampler_config, pruner_config)
            for step in steps[:place]:
                learners.check(step)
            taken_up = _open_trials(steps[:place])
            for spec in taken_up.values():
                learners.hear(_next_attempt(spec))
            for step in steps[place:]:
                again = _number(step.event) in taken_up
                learners.check(Step(_next_attempt(step.event), step.behind) if again else step)


class _Learners:
    """A new sampler and a new pruner, told the same."""

    def __init__(self, sampler_config: Any, pruner_config: Any) -> None:
        self._sampler = sampler_config.build(_space(), Objective(), 11)
        self._pruner = pruner_config.build(Objective(), EPOCHS)
        self._points: set[str] = set()

    def ask(self, number: int) -> dict[str, Any]:
        if number == 0:
            return BASE
        return dict(self._sampler.ask(number, lambda params: same_text(params) not in self._points))

    def hear(self, event: Event) -> bool:
        """Returns whether a trial is behind others."""
        self._sampler.tell(event)
        if isinstance(event, Progress):
            return bool(self._pruner.should_prune(event))
        self._pruner.tell(event)
        if isinstance(event, TrialSpec):
            self._points.add(same_text(event.params))
        return False

    def check(self, step: Step) -> None:
        event = step.event
        if isinstance(event, TrialSpec) and event.params and event.attempt == 1:
            assert self.ask(event.number) == event.params, f"trial {event.number} has other params"
        assert self.hear(event) == step.behind, f"it is pruned otherwise at {event}"


def record(sampler_config: Any, pruner_config: Any, trials: int) -> list[Step]:
    """Returns what happened in a search of `trials` trials.

    One diverges, one measures NaN, one loses its worker and goes on in another attempt; which of the running trials
    comes next is drawn.
    """
    learners, draw = _Learners(sampler_config, pruner_config), generator(3, "which comes next")
    steps: list[Step] = []
    running: list[tuple[Iterator[Event], int]] = []
    number = 0
    while number < trials or running:
        if number < trials and len(running) < SLOTS:
            spec = TrialSpec(number=number, params=learners.ask(number))
            steps.append(Step(spec, learners.hear(spec)))
            running.append((_trial(spec), number))
            number += 1
            continue
        events, trial = running[draw.integers(len(running))]
        event = next(events)
        behind = learners.hear(event)
        steps.append(Step(event, behind))
        if behind and trial not in NEVER_PRUNED:
            event = TrialResult(trial=trial, end=EndReason.PRUNED, reason="pruned")
            steps.append(Step(event, learners.hear(event)))
        if isinstance(event, TrialResult) and event.final:
            running.remove((events, trial))
    return steps


def _trial(spec: TrialSpec) -> Iterator[Event]:
    """Yields what a trial on a parabola tells: the second attempt nothing that the first has told."""
    number, params = spec.number, spec.params
    value = -((params["x"] - 0.3) ** 2) - (params["n"] - 4) ** 2 / 50 - 0.1 * (params["c"] == "a")
    attempt, end = 1, EndReason.FINISHED
    if number == IS_NAN:
        value = float("nan")
    for epoch in range(1, EPOCHS + 1):
        if number == DIVERGES and epoch == 3:
            end = EndReason.DIVERGED
            break
        if number == LOSES_ITS_WORKER and epoch == 3:
            yield TrialResult(trial=number, end=EndReason.WORKER_LOST, reason="worker-lost", final=False)
            attempt = 2
            yield spec.model_copy(update={"attempt": attempt})
        yield Progress(trial=number, attempt=attempt, epoch=epoch, epochs=EPOCHS, value=value - 0.2 / epoch)
    yield TrialResult(trial=number, attempt=attempt, end=end, reason=end.value, value=value)


def _space() -> Space:
    return Space(
        [
            FloatDimension("x", 0.0, 1.0, steps=5),
            IntDimension("n", 1, 8),
            ChoiceDimension("c", ("a", "b", {"kind": "c"})),
            FloatDimension("z", 0.0, 1.0, steps=2, when={"c": ("a",)}),
        ],
        lambda _params, _path: None,
    )


def _open_trials(steps: list[Step]) -> dict[int, TrialSpec]:
    """Returns the trials that have not ended, each in its last attempt."""
    open_trials: dict[int, TrialSpec] = {}
    for event, _ in steps:
        if isinstance(event, TrialSpec):
            open_trials[event.number] = event
        elif isinstance(event, TrialResult) and event.final:
            del open_trials[event.trial]
    return open_trials


def _number(event: Event) -> int:
    return event.number if isinstance(event, TrialSpec) else event.trial


def _next_attempt(event: Any) -> Any:
    return event.model_copy(update={"attempt": event.attempt + 1})
