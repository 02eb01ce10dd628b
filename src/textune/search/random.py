"""Random and quasi-random points.

Neither goes through Optuna: a point comes from the study seed and the trial number alone, so no earlier trial is needed
to repeat it, and its cost does not grow with the study (Optuna goes through all trials at each ask).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textune.records import Objective
from textune.registry import register
from textune.search.base import IsNew, Params, Sampler, SamplerConfig
from textune.seeds import derive, generator
from textune.space import Space

if TYPE_CHECKING:
    from scipy.stats.qmc import Sobol

__all__ = ["QmcConfig", "QmcSampler", "RandomConfig", "RandomSampler"]

MAX_DRAWS = 200
"""Draws in a row that repeat earlier points before the rest of the space is listed. In an endless space where only one
draw in twenty is new (one choice of many has a range below it) they all repeat with probability 4e-5."""
MAX_LISTED = 100_000
"""Points of a finite space that are listed when draws only repeat; about 0.3 kB each."""


class RandomSampler(Sampler):
    """Independent draws from the whole space; over a finite space without replacement, until it is exhausted."""

    def __init__(self, space: Space, seed: int, stage: int) -> None:
        self._space, self._seed, self._stage = space, seed, stage
        self._remaining: Iterator[Params] | None = None

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        return next((params for params in self.candidates(number) if is_new(params)), None)

    def candidates(self, number: int) -> Iterator[Params]:
        """Yields points in order of preference: draws from the trial's own stream, then what is left of the space."""
        if self._remaining is None:
            stream = generator(self._seed, "sampler", self._stage, number)
            for _ in range(MAX_DRAWS):
                yield self._space.from_units(stream.random(len(self._space.dimensions)).tolist())
            self._remaining = iter(self._shuffled())
        yield from self._remaining

    def _shuffled(self) -> list[Params]:
        if (self._space.num_points or MAX_LISTED + 1) > MAX_LISTED:
            return []
        points: list[Params] = list(self._space.points())
        order = generator(self._seed, "sampler", self._stage, "remaining").permutation(len(points))
        return [points[index] for index in order.tolist()]


class QmcSampler(Sampler):
    """Points of a scrambled Sobol sequence, which cover the space more evenly than chance does.

    Source: Owen, "Scrambling Sobol' and Niederreiter-Xing Points", Journal of Complexity 1998.
    """

    def __init__(self, space: Space, seed: int, stage: int) -> None:
        self._space = space
        self._random = RandomSampler(space, seed, stage)
        self._sequence = self._start(derive(seed, "sampler", stage) % 2**32)

    def ask(self, number: int, is_new: IsNew) -> Params | None:
        params = self._space.from_units(self._point(number))
        return params if is_new(params) else self._random.ask(number, is_new)

    def _start(self, seed: int) -> Sobol:
        from scipy.stats.qmc import Sobol

        return Sobol(max(len(self._space.dimensions), 1), scramble=True, seed=seed)

    def _point(self, number: int) -> list[float]:
        if number < self._sequence.num_generated:
            self._sequence.reset()
        if number > self._sequence.num_generated:
            self._sequence.fast_forward(number - self._sequence.num_generated)
        units: list[float] = self._sequence.random(1)[0].tolist()
        return units[: len(self._space.dimensions)]


@register("sampler", "random")
class RandomConfig(SamplerConfig):
    """Independent random points; from finite lists without replacement."""

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> RandomSampler:  # noqa: ARG002
        return RandomSampler(space, seed, stage)


@register("sampler", "qmc")
class QmcConfig(SamplerConfig):
    """Evenly spread points of a Sobol sequence (quasi-Monte Carlo)."""

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> QmcSampler:  # noqa: ARG002
        return QmcSampler(space, seed, stage)
