"""The next trial to start, as long as there is one."""

from __future__ import annotations

from typing import Any, NamedTuple

from textune.errors import TextuneError
from textune.records import EndReason, TrialResult, TrialSpec, TrialState
from textune.search.base import Params
from textune.seeds import derive
from textune.space import same_text
from textune.study.learners import Learners
from textune.study.parts import Search

__all__ = ["MAX_REPEATS", "Proposals", "is_measured"]

MAX_REPEATS = 20
"""Points in a row that were measured before; a sampler that comes to this finds nothing new."""


class _Point(NamedTuple):
    config: dict[str, Any]
    key: str
    refusal: str | None = None


class Proposals:
    """Turns what the sampler proposes into specs.

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
        self._measured_by: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        self._repeats = 0
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
        elif self._repeats == MAX_REPEATS:
            self.over = f"the sampler finds nothing new: its last {MAX_REPEATS} points had been measured before"
        elif (spec := self.propose()) is not None:
            return spec
        else:
            self.over = f"the search space is exhausted: there are no more than {count} different trials"
        return None

    def propose(self) -> TrialSpec | None:
        """Returns the next trial whatever the limits say; None if the space is exhausted."""
        number = self._parts.first + self._count
        if self._parts.is_base(number):
            return self._spec(self._parts.base or {}, self._resolve({}))
        params = self._learners.ask(number, self._is_new)
        if params is None:
            return None
        repetition = self._parts.sampler.repetition(number - self._parts.first)
        return self._spec(params, self._resolve(params), repetition)

    def ended(self, result: TrialResult) -> None:
        """A point that was not measured, for a reason that is not its own, may be tried again."""
        key = self._keys[result.trial]
        if not is_measured(result) and self._measured_by.get(key) == result.trial:
            del self._measured_by[key]

    def runs(self, spec: TrialSpec) -> None:
        """A repeated point is run after all, as the trial it repeats was not measured."""
        self._measured_by[self._keys[spec.number]] = spec.number

    def _spec(self, params: Params, point: _Point, repetition: int = 0) -> TrialSpec:
        number = self._parts.first + self._count
        self._count += 1
        self._asked.add(point.key)
        self._keys[number] = key = point.key if repetition == 0 else f"{point.key} again {repetition}"
        repeat_of = self._measured_by.setdefault(key, number)
        self._repeats = self._repeats + 1 if repeat_of != number else 0
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
            repeat_of=None if repeat_of == number else repeat_of,
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


def is_measured(result: TrialResult) -> bool:
    """Whether another trial of the same point would end in the same way."""
    return result.state in (TrialState.COMPLETE, TrialState.PRUNED) or result.end is EndReason.DIVERGED
