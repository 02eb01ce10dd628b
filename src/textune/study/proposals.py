"""The next trial to start, as long as there is one."""

from __future__ import annotations

from typing import Any, NamedTuple

from textune.errors import TextuneError
from textune.records import TrialResult, TrialSpec
from textune.search.base import Params
from textune.search.random import RandomSampler
from textune.seeds import derive
from textune.space import same_text
from textune.study.learners import Learners
from textune.study.parts import Search

__all__ = ["Proposals"]


class _Point(NamedTuple):
    config: dict[str, Any]
    key: str
    refusal: str | None = None


class Proposals:
    """Turns what the sampler proposes into specs, each of a point of its own.

    A proposal that had a trial is replaced by a random point that had none. The search ends when there is none left.

    Attributes:
        over: why there is none any more.
        refused: trial → why its params make no valid config.
    """

    def __init__(self, parts: Search, learners: Learners) -> None:
        self._parts, self._learners = parts, learners
        self._seed = derive(parts.seed, "trial")  # the same for all trials, so that they are comparable
        self._deadline = parts.clock() + (parts.limits[1] or float("inf")) - parts.before.seconds
        self._count = 0
        self._asked: set[str] = set()
        self._logged = {
            event.number: same_text(event.params)
            for event in parts.before.events
            if isinstance(event, TrialSpec) and event.attempt == 1
        }
        self._untried = RandomSampler(parts.space, parts.seed, parts.stage)
        self._last: tuple[Params, _Point] | None = None
        self.over = ""
        self.refused: dict[int, str] = {}

    def next(self) -> TrialSpec | None:
        """Returns the next trial; None if none may start, now or at all (then `over` says why)."""
        parts, count, (trials, seconds) = self._parts, self._count, self._parts.limits
        if self.over or not self._learners.can_ask(parts.first + count):
            return None
        if trials is not None and count >= trials:
            self.over = f"all {count} trials were run"
        elif parts.clock() >= self._deadline:
            self.over = f"the time allowed, {seconds:g} s, was used up"
        elif (spec := self.propose()) is not None:
            return spec
        else:
            self.over = f"the search space is exhausted: there are no more than {len(self._asked)} different trials"
        return None

    def propose(self) -> TrialSpec | None:
        """Returns the next trial whatever the limits say; None if the space is exhausted."""
        number = self._parts.first + self._count
        if self._parts.is_base(number):
            return self._spec(self._parts.base or {}, self._resolve({}))
        params = self._learners.ask(number, self._is_new)
        if params is None:
            return None
        in_stage = number - self._parts.first
        repetition = self._parts.sampler.repetition(in_stage)
        if repetition == 0 and not self._may_be_tried(number, params):
            params = self._untried.ask(in_stage, self._is_new)
        return None if params is None else self._spec(params, self._resolve(params), repetition)

    def ended(self, result: TrialResult) -> None:
        """What is proposed next is up to the sampler."""

    def _may_be_tried(self, number: int, params: Params) -> bool:
        """Logs of earlier versions have trials that repeat others."""
        return self._is_new(params) or self._logged.get(number) == same_text(params)

    def _spec(self, params: Params, point: _Point, repetition: int = 0) -> TrialSpec:
        number = self._parts.first + self._count
        self._count += 1
        self._asked.add(point.key)
        if point.refusal is not None:
            self.refused[number] = point.refusal
        return TrialSpec(
            number=number,
            stage=self._parts.stage,
            params=dict(params),
            inherited=dict(self._parts.inherited),
            config=point.config,
            objective=self._parts.start.objective,
            seed=self._seed if repetition == 0 else derive(self._parts.seed, "trial", repetition),
            fidelity=self._parts.fidelity,
            aside=self._parts.aside,
            folder=self._parts.folder_of(number, 1),
        )

    def _is_new(self, params: Params) -> bool:
        return self._resolve(params).key not in self._asked

    def _resolve(self, params: Params) -> _Point:
        if self._last is None or self._last[0] != params:
            self._last = (params, self._point(params))
        return self._last[1]

    def _point(self, params: Params) -> _Point:
        try:
            return _Point(*self._parts.resolve(params))
        except (TextuneError, ValueError) as error:
            return _Point({}, f"no config {same_text(params)}", " ".join(str(error).split()))
