"""Tree-structured Parzen estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from textune.records import Objective
from textune.registry import register
from textune.search.base import SamplerConfig
from textune.space import Space

if TYPE_CHECKING:
    from textune.search.optuna.samplers import TpeSampler

__all__ = ["TpeConfig"]


@register("sampler", "tpe")
class TpeConfig(SamplerConfig):
    """Learns from the trials so far where good ones lie (tree-structured Parzen estimator)."""

    startup_trials: int = Field(10, ge=1, description="random trials before it starts to learn")

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> TpeSampler:
        from textune.search.optuna.samplers import TpeSampler

        return TpeSampler(space, objective, seed, stage, self.startup_trials)
