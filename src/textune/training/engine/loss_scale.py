"""What keeps small gradients from vanishing, and large ones from overflowing, in fp16."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LossScale"]

LEAST = 1.0
STEPS_TO_DOUBLE = 2000


@dataclass
class LossScale:
    """The loss is multiplied by `value` before the backward pass, and gradients are divided by it before they are used.

    It is halved when they overflow, and doubled when they have not for long. PyTorch's GradScaler does so on the GPU,
    to spare the host a look at the gradients; here it knows their norm at each step.

    Attributes:
        value: a power of two, so that nothing is rounded.
        num_fitting: steps since it was changed.

    Source: Micikevicius et al. 2018, section 3.2.
    """

    value: float = 2.0**16
    num_fitting: int = 0

    def overflowed(self, gradient_norm: float) -> bool:
        """Takes note of a step; returns whether its gradients overflowed, maybe for the scale, which is halved then.

        At a scale of 1 it cannot be: numbers that are not finite are the model's own.
        """
        if math.isfinite(gradient_norm):
            self.num_fitting += 1
            if self.num_fitting == STEPS_TO_DOUBLE:
                self.value, self.num_fitting = self.value * 2, 0
            return False
        if self.value == LEAST:
            return False
        self.value, self.num_fitting = self.value / 2, 0
        return True
