"""Gaussian process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from textune.records import Objective
from textune.registry import register
from textune.search.base import SamplerConfig
from textune.space import Space

if TYPE_CHECKING:
    from textune.search.optuna.samplers import GpSampler

__all__ = ["GpConfig"]


@register("sampler", "gp")
class GpConfig(SamplerConfig):
    """Models the objective over the whole space (a Gaussian process): for few, long trials and up to ten dimensions.

    A proposal takes a tenth of a second to a second. Twice as fast with `pip install 'textune[gp]'`.
    """

    startup_trials: int = Field(10, ge=1, description="random trials before it starts to learn")

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> GpSampler:
        from textune.search.optuna.samplers import GpSampler

        return GpSampler(space, objective, seed, stage, self.startup_trials)
