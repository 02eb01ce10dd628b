"""The vectors of a text to one vector. Padding never counts."""

# B batch, T tokens, D width, A width of the attention's hidden layer, R heads

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from textune.models.nets.base import Pooling

if TYPE_CHECKING:
    from textune.models.pooling import AttentionConfig

__all__ = ["AttentionPooling", "ClsPooling", "LastPooling", "MaxPooling", "MeanPooling"]


class ClsPooling(Pooling):
    first_only = True

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:  # noqa: ARG002 - every text has a first token
        return hidden_BTD[:, 0]


class LastPooling(Pooling):
    def __init__(self, input_size: int, backward_size: int) -> None:
        super().__init__()
        self.output_size = input_size
        self.forward_size = input_size - backward_size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        last_B = mask_BT.sum(1) - 1
        rows_B = torch.arange(len(last_B), device=last_B.device)
        end_BD = hidden_BTD[rows_B, last_B, : self.forward_size]
        return torch.cat([end_BD, hidden_BTD[:, 0, self.forward_size :]], -1)


class MeanPooling(Pooling):
    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        weights_BT = mask_BT / mask_BT.sum(1, keepdim=True)
        return torch.bmm(weights_BT.to(hidden_BTD.dtype)[:, None], hidden_BTD)[:, 0]


class MaxPooling(Pooling):
    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        lowest = torch.finfo(hidden_BTD.dtype).min
        return hidden_BTD.masked_fill(~mask_BT[..., None], lowest).max(1).values


class AttentionPooling(Pooling):
    def __init__(self, config: AttentionConfig, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size * config.num_heads
        self.regularization = config.regularization
        self.hidden = nn.Linear(input_size, config.hidden_size, bias=False)
        self.scores = nn.Linear(config.hidden_size, config.num_heads, bias=False)

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        scores_BTR = self.scores(torch.tanh(self.hidden(hidden_BTD))).float()
        weights_BRT = scores_BTR.masked_fill(~mask_BT[..., None], -torch.inf).softmax(1).transpose(1, 2)
        regularized = self.training and self.regularization > 0
        self.penalty = self.regularization * _overlap(weights_BRT) if regularized else None
        return torch.bmm(weights_BRT.to(hidden_BTD.dtype), hidden_BTD).flatten(1)


def _overlap(weights_BRT: Tensor) -> Tensor:
    """Returns the mean over the batch of ‖A Aᵀ − I‖²_F (Lin et al. 2017, equation 8)."""
    identity_RR = torch.eye(weights_BRT.shape[1], device=weights_BRT.device)
    overlap_BRR = torch.einsum("brt,bst->brs", weights_BRT, weights_BRT) - identity_RR
    return overlap_BRR.float().square().sum((1, 2)).mean()
