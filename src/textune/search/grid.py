"""Every point of the grid, once."""

from __future__ import annotations

from textune.records import Objective
from textune.registry import register
from textune.search.base import IsNew, Params, Sampler, SamplerConfig
from textune.space import Space

__all__ = ["GridConfig", "GridSampler"]


class GridSampler(Sampler):
    """Takes the grid points in order; points that resolve to a config already seen are left out."""

    def __init__(self, space: Space) -> None:
        self._points = space.grid()

    def ask(self, number: int, is_new: IsNew) -> Params | None:  # noqa: ARG002 - the grid has its own order
        return next((params for params in self._points if is_new(params)), None)


@register("sampler", "grid")
class GridConfig(SamplerConfig):
    """Every combination of the choices and of `steps` values from each range."""

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> GridSampler:  # noqa: ARG002
        return GridSampler(space)

    def num_trials(self, space: Space) -> int | None:
        return space.num_grid_points
