"""The study as written, then each value of each dimension alone: what does each change do?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from textune.records import Objective
from textune.registry import register
from textune.search.base import IsNew, Params, Sampler, SamplerConfig
from textune.space import Space

__all__ = ["OneAtATimeConfig", "OneAtATimeSampler"]


class OneAtATimeSampler(Sampler):
    """Takes the points in order, all of them once before any of them again.

    Args:
        points: to be measured; those of the first repetition that had a trial, such as the base, are left out there.
        repeats: how often each is measured.
    """

    def __init__(self, points: Iterable[Params], repeats: int) -> None:
        once = list(points)
        self._plan = iter([(repetition, params) for repetition in range(repeats) for params in once])
        self._repetitions: dict[int, int] = {}

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        for repetition, params in self._plan:
            if repetition or is_new(params):
                self._repetitions[number] = repetition
                return params
        return None

    def repetition(self, number: int) -> int:
        return self._repetitions.get(number, 0)


@register("sampler", "one-at-a-time")
class OneAtATimeConfig(SamplerConfig):
    """The study as written, then each value of each dimension alone (of a range `steps` values), all else unchanged.

    The report says which changes are more than luck; a dimension whose condition does not hold for the study as written
    is left out.
    """

    takes_base: ClassVar[bool] = True

    repeats: int = Field(
        1, ge=1, description="trainings of each point, with the same seeds for all; 3 or more tell luck"
    )
    combine: bool = Field(
        False,
        description="the confirmation tries the changes together that are surely better, beside the best single one",
    )

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> OneAtATimeSampler:  # noqa: ARG002
        return OneAtATimeSampler(space.one_at_a_time(), self.repeats)

    def num_trials(self, space: Space) -> int | None:
        return self.repeats * sum(1 for _ in space.one_at_a_time())

    def left_out(self, space: Space) -> tuple[str, ...]:
        return tuple(path for path in space.paths if path not in space.base())
