"""What is watched so that a training never goes on from numbers that are none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textune.errors import DivergedError

__all__ = ["DivergenceGuard"]


@dataclass
class DivergenceGuard:
    """Keeps steps out whose loss or gradients are not finite, and gives up after too many of them in a row."""

    max_skipped_steps: int
    num_skipped: int = 0
    skipped_in_a_row: int = 0

    def allows(self, loss: float, gradient_norm: float, learning_rate: float, step: str) -> bool:
        """Returns whether the weights may change.

        Args:
            loss: of the batch.
            gradient_norm: of all gradients together; not looked at if the loss is not finite.
            learning_rate: of the step.
            step: its name, for the error.

        Raises:
            DivergedError: it is one skipped step too many.
        """
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            self.skipped_in_a_row = 0
            return True
        if self.skipped_in_a_row == self.max_skipped_steps:
            what, value = ("norm of the gradients", gradient_norm) if math.isfinite(loss) else ("loss", loss)
            before = f"; {self.skipped_in_a_row} steps before it were skipped" if self.skipped_in_a_row else ""
            raise DivergedError(f"{step}: the {what} is {value} at a learning rate of {learning_rate:.3g}{before}")
        self.num_skipped += 1
        self.skipped_in_a_row += 1
        return False
