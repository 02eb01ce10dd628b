"""Schedules: how the learning rate changes over the steps, as pure functions of the step and of the epochs so far."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

from pydantic import Field

from textune.config.base import Config
from textune.registry import register

__all__ = [
    "ConstantConfig",
    "CosineConfig",
    "ExponentialConfig",
    "LinearConfig",
    "PlateauConfig",
    "ScheduleConfig",
]


class ScheduleConfig(Config):
    warmup_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of all steps in which the learning rate rises to its top"
    )

    def factor(self, step: int, total_steps: int) -> float:
        """Returns what the learning rate is multiplied with at `step` (0 … total_steps - 1): warm-up, then decay."""
        warmup_steps = round(self.warmup_fraction * total_steps)
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return self.decay(min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps)))

    @abstractmethod
    def decay(self, progress: float) -> float:
        """Returns the factor after warm-up; `progress` runs from 0 to 1."""

    def reduction(self, history: Sequence[float]) -> float:
        """Returns a further factor for the next epoch, from the watched metric of each epoch (greater is better)."""
        del history
        return 1.0


@register("schedule", "constant")
class ConstantConfig(ScheduleConfig):
    """The learning rate stays."""

    def decay(self, progress: float) -> float:
        del progress
        return 1.0


@register("schedule", "linear")
class LinearConfig(ScheduleConfig):
    """The learning rate falls in a straight line."""

    final_factor: float = Field(0.0, ge=0, le=1, description="share of the learning rate left at the end")

    def decay(self, progress: float) -> float:
        return 1.0 - (1.0 - self.final_factor) * progress


@register("schedule", "cosine")
class CosineConfig(ScheduleConfig):
    """The learning rate falls along half a cosine. Source: Loshchilov & Hutter 2017."""

    final_factor: float = Field(0.0, ge=0, le=1, description="share of the learning rate left at the end")

    def decay(self, progress: float) -> float:
        return self.final_factor + (1.0 - self.final_factor) * (1.0 + math.cos(math.pi * progress)) / 2


@register("schedule", "exponential")
class ExponentialConfig(ScheduleConfig):
    """The learning rate falls by the same share at each step."""

    final_factor: float = Field(0.01, gt=0, le=1, description="share of the learning rate left at the end")

    def decay(self, progress: float) -> float:
        return float(self.final_factor**progress)


@register("schedule", "plateau")
class PlateauConfig(ScheduleConfig):
    """The learning rate is cut whenever the watched valid metric has not improved for some epochs."""

    cut: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied with at each cut")
    patience: int = Field(2, ge=1, description="epochs without improvement before a cut")
    min_factor: float = Field(0.001, ge=0, le=1, description="share of the learning rate that is never undercut")

    def decay(self, progress: float) -> float:
        del progress
        return 1.0

    def reduction(self, history: Sequence[float]) -> float:
        factor, best, waited = 1.0, -math.inf, 0
        for value in history:
            if value > best:
                best, waited = value, 0
                continue
            waited += 1
            if waited == self.patience:
                factor, waited = factor * self.cut, 0
        return max(factor, self.min_factor)
