"""Which epoch was best, and when to give up waiting for a better one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["EarlyStopping"]


@dataclass
class EarlyStopping:
    """Follows the watched metric, one value per epoch, greater being better.

    Any gain makes an epoch the best one; only a gain of more than `min_delta` since the last such gain resets the
    patience.
    """

    patience: int | None
    min_delta: float = 0.0
    history: list[float] = field(default_factory=list)
    best_epoch: int = 0
    _reference: float = -math.inf
    _waited: int = 0

    def update(self, value: float) -> bool:
        """Notes the value of the next epoch; returns whether it is the best so far."""
        improved = value > max(self.history, default=-math.inf)
        self.history.append(value)
        if improved:
            self.best_epoch = len(self.history)
        if value > self._reference + self.min_delta:
            self._reference, self._waited = value, 0
        else:
            self._waited += 1
        return improved

    @property
    def exhausted(self) -> bool:
        return self.patience is not None and self._waited >= self.patience
