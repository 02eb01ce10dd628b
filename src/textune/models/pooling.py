"""Poolings: the vectors of a text to one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from textune.models.base import PoolingConfig
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.base import Encoder
    from textune.models.nets.pooling import AttentionPooling, ClsPooling, LastPooling, MaxPooling, MeanPooling

__all__ = ["AttentionConfig", "ClsConfig", "LastConfig", "MaxConfig", "MeanConfig"]


@register("pooling", "cls")
class ClsConfig(PoolingConfig):
    """The first token, which pretrained transformers put before each text to stand for it."""

    def build(self, encoder: Encoder) -> ClsPooling:
        from textune.models.nets.pooling import ClsPooling

        return ClsPooling(encoder.output_size)


@register("pooling", "last")
class LastConfig(PoolingConfig):
    """Where reading ended: the last token, and the first one for what was read from the end."""

    def build(self, encoder: Encoder) -> LastPooling:
        from textune.models.nets.pooling import LastPooling

        return LastPooling(encoder.output_size, encoder.backward_size)


@register("pooling", "mean")
class MeanConfig(PoolingConfig):
    """The mean over the tokens."""

    def build(self, encoder: Encoder) -> MeanPooling:
        from textune.models.nets.pooling import MeanPooling

        return MeanPooling(encoder.output_size)


@register("pooling", "max")
class MaxConfig(PoolingConfig):
    """The greatest value of each feature over the tokens."""

    def build(self, encoder: Encoder) -> MaxPooling:
        from textune.models.nets.pooling import MaxPooling

        return MaxPooling(encoder.output_size)


@register("pooling", "attention")
class AttentionConfig(PoolingConfig):
    """Several weighted means over the tokens side by side, the weights learned.

    Source: Lin et al. 2017, A Structured Self-attentive Sentence Embedding.
    """

    num_heads: int = Field(1, ge=1, description="weighted means; the vectors stand side by side")
    hidden_size: int = Field(64, ge=1, description="width of the layer that finds the weights")
    regularization: float = Field(0.0, ge=0, description="how strongly heads are kept from looking at the same tokens")

    def build(self, encoder: Encoder) -> AttentionPooling:
        from textune.models.nets.pooling import AttentionPooling

        return AttentionPooling(self, encoder.output_size)
