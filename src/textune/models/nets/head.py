"""One vector to a score for each class."""

# B batch, D width, K classes

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from textune.models.nets.base import Head

if TYPE_CHECKING:
    from textune.models.head import ClassHeadConfig

__all__ = ["ClassHead"]


class ClassHead(Head):
    def __init__(self, config: ClassHeadConfig, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.hidden_size, self.num_classes = config.hidden_size, num_classes
        layers: list[nn.Module] = [nn.Dropout(config.dropout)]
        if config.hidden_size is not None:
            layers += [nn.Linear(input_size, config.hidden_size), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(config.hidden_size or input_size, num_classes))

    def forward(self, pooled_BD: Tensor) -> Tensor:
        logits_BK: Tensor = self.layers(pooled_BD)
        return logits_BK.float()
