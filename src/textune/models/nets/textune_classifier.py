"""A text classifier trained by Textune, for `transformers.pipeline("text-classification", …, trust_remote_code=True)`.

A copy of this file stands beside models of which the transformers library has no class of its own; it needs nothing
but that library and torch. Weights are called as in Textune.
"""

# B batch, T tokens, D width, H width of the attention's hidden layer, R its heads, K classes

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class TextuneConfig(PretrainedConfig):
    """What `config.json` says: the encoder's own config, and what stands behind it."""

    model_type = "textune-classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        pooling: str = "mean",
        attention_size: int = 64,
        num_heads: int = 1,
        head_size: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.encoder = {"model_type": "bert"} if encoder is None else encoder
        self.pooling = pooling
        self.attention_size, self.num_heads = attention_size, num_heads
        self.head_size = head_size


class Attention(nn.Module):
    """Several weighted means over the tokens side by side."""

    def __init__(self, input_size: int, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(input_size, hidden_size, bias=False)
        self.scores = nn.Linear(hidden_size, num_heads, bias=False)

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        scores_BTR = self.scores(torch.tanh(self.hidden(hidden_BTD)))
        weights_BTR = scores_BTR.masked_fill(~mask_BT[..., None], -torch.inf).softmax(1)
        return torch.bmm(weights_BTR.transpose(1, 2), hidden_BTD).flatten(1)


class Head(nn.Module):
    """A linear layer, behind a hidden one or not. The places between hold what training alone needs."""

    def __init__(self, input_size: int, hidden_size: int | None, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Identity()]
        if hidden_size is not None:
            layers += [nn.Linear(input_size, hidden_size), nn.ReLU(), nn.Identity()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_size or input_size, num_classes))

    def forward(self, pooled_BD: Tensor) -> Tensor:
        logits_BK: Tensor = self.layers(pooled_BD)
        return logits_BK


class TextuneForSequenceClassification(PreTrainedModel):
    """Token ids → logits_BK."""

    config_class = TextuneConfig
    base_model_prefix = "encoder"

    def __init__(self, config: TextuneConfig) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(**config.encoder))
        self.encoder.pooler = None
        size: int = self.encoder.config.hidden_size
        if config.pooling == "attention":
            self.pooling = Attention(size, config.attention_size, config.num_heads)
            size *= config.num_heads
        num_classes: int = len(config.id2label or {})
        self.head = Head(size, config.head_size, num_classes)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> SequenceClassifierOutput:
        mask_BT = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden_BTD = self.encoder(input_ids=input_ids, attention_mask=mask_BT).last_hidden_state
        return SequenceClassifierOutput(logits=self.head(self._pooled(hidden_BTD, mask_BT.bool())))

    def _pooled(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if self.config.pooling == "attention":
            pooled_BD: Tensor = self.pooling(hidden_BTD, mask_BT)
            return pooled_BD
        if self.config.pooling == "cls":
            return hidden_BTD[:, 0]
        if self.config.pooling == "last":
            return hidden_BTD[torch.arange(len(hidden_BTD)), mask_BT.sum(1) - 1]
        if self.config.pooling == "max":
            return hidden_BTD.masked_fill(~mask_BT[..., None], -torch.inf).max(1).values
        weights_BT = mask_BT / mask_BT.sum(1, keepdim=True)
        return torch.einsum("btd,bt->bd", hidden_BTD, weights_BT.to(hidden_BTD.dtype))
