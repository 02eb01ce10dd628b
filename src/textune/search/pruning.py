"""Pruners: how much worse than other trials one may be at the same epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from textune.records import Objective
from textune.registry import register
from textune.search.base import PrunerConfig

if TYPE_CHECKING:
    from textune.search.optuna.pruners import OptunaPruner

__all__ = ["HyperbandConfig", "MedianConfig", "PercentileConfig", "SuccessiveHalvingConfig"]


@register("pruner", "median")
class MedianConfig(PrunerConfig):
    """Stops a trial whose best epoch so far is worse than the median of complete trials at the same epoch.

    Source: Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017.
    """

    startup_trials: int = Field(5, ge=1, description="trials that must be complete before one is stopped")
    min_trials: int | None = Field(
        None,
        ge=1,
        description="complete trials needed at an epoch before one is stopped there; null: as startup_trials",
    )
    min_epochs: int = Field(1, ge=1, description="epochs every trial may train")

    def build(self, objective: Objective, max_epochs: int) -> OptunaPruner:  # noqa: ARG002
        from textune.search.optuna.pruners import percentile

        return percentile(objective, 50.0, self.startup_trials, self.min_trials or self.startup_trials, self.min_epochs)


@register("pruner", "percentile")
class PercentileConfig(PrunerConfig):
    """Stops a trial whose best epoch so far is not among the best complete trials at the same epoch.

    The median rule with another share: more patient by default.
    """

    keep_percent: float = Field(
        75.0, gt=0, lt=100, description="a trial goes on among the best so many percent; less stops more trials"
    )
    startup_trials: int = Field(5, ge=1, description="trials that must be complete before one is stopped")
    min_trials: int | None = Field(
        None,
        ge=1,
        description="complete trials needed at an epoch before one is stopped there; null: as startup_trials",
    )
    min_epochs: int = Field(1, ge=1, description="epochs every trial may train")

    def build(self, objective: Objective, max_epochs: int) -> OptunaPruner:  # noqa: ARG002
        from textune.search.optuna.pruners import percentile

        return percentile(
            objective, self.keep_percent, self.startup_trials, self.min_trials or self.startup_trials, self.min_epochs
        )


@register("pruner", "successive-halving")
class SuccessiveHalvingConfig(PrunerConfig):
    """Stops all but the best 1/`reduction_factor` of the trials at epochs `min_epochs` × `reduction_factor`^k.

    The asynchronous form: a trial is judged against those that reached the same epoch before it.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """

    min_epochs: int = Field(1, ge=1, description="epochs every trial may train: the first rung")
    reduction_factor: int = Field(3, ge=2, description="one in so many trials passes a rung")

    def build(self, objective: Objective, max_epochs: int) -> OptunaPruner:  # noqa: ARG002
        from textune.search.optuna.pruners import successive_halving

        return successive_halving(objective, self.min_epochs, self.reduction_factor)


@register("pruner", "hyperband")
class HyperbandConfig(PrunerConfig):
    """Successive halving that starts at another rung for some trials: where early epochs may mislead.

    Which rung a trial starts at comes from its number.

    Source: Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 2018.
    """

    min_epochs: int = Field(1, ge=1, description="epochs every trial may train: the lowest first rung")
    reduction_factor: int = Field(3, ge=2, description="one in so many trials passes a rung")

    def build(self, objective: Objective, max_epochs: int) -> OptunaPruner:
        from textune.search.optuna.pruners import hyperband

        return hyperband(objective, self.min_epochs, max_epochs, self.reduction_factor)
