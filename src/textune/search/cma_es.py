"""Covariance matrix adaptation."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from pydantic import Field

from textune.errors import MissingDependencyError, Problem, StudyError
from textune.records import Objective
from textune.registry import register
from textune.search.base import SamplerConfig
from textune.space import ChoiceDimension, Space

if TYPE_CHECKING:
    from textune.search.optuna.samplers import CmaEsSampler

__all__ = ["CmaEsConfig"]

NO_RANGE = "'cma-es' learns ranges and the space has only choices; use 'tpe', or add a range ('low' and 'high')"


@register("sampler", "cma-es")
class CmaEsConfig(SamplerConfig):
    """Moves from the middle of the ranges to better points, for 100 trials or more (covariance matrix adaptation).

    Only ranges are learned, choices are drawn at random. Needs `pip install 'textune[cma-es]'`.
    """

    population_size: int | None = Field(
        None, ge=4, description="measured trials from one step to the next; null: 4 + 3 × ln(number of ranges)"
    )

    def build(self, space: Space, objective: Objective, seed: int, stage: int = 0) -> CmaEsSampler:
        if importlib.util.find_spec("cmaes") is None:
            raise MissingDependencyError("sampler 'cma-es'", "cmaes", "cma-es")
        if all(isinstance(dimension, ChoiceDimension) for dimension in space.dimensions):
            raise StudyError([Problem("", "search.sampler", NO_RANGE)])
        from textune.search.optuna.samplers import CmaEsSampler

        return CmaEsSampler(space, objective, seed, stage, self.population_size)
