"""No pruning: every trial runs to its end."""

from __future__ import annotations

from textune.records import Objective, Progress
from textune.registry import register
from textune.search.base import Pruner, PrunerConfig

__all__ = ["NoPruner", "NoPrunerConfig"]


class NoPruner(Pruner):
    def should_prune(self, progress: Progress) -> bool:  # noqa: ARG002
        return False


@register("pruner", "none")
class NoPrunerConfig(PrunerConfig):
    """Every trial runs to its end."""

    def build(self, objective: Objective, max_epochs: int) -> NoPruner:  # noqa: ARG002
        return NoPruner()
