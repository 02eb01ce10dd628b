"""Encoder `cnn`: what stands in windows of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from textune.models.base import EncoderConfig
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding
    from textune.models.nets.cnn import Cnn

__all__ = ["CnnConfig"]

Width = Annotated[int, Field(ge=1, le=64)]


@register("encoder", "cnn")
class CnnConfig(EncoderConfig):
    """Filters over windows of several widths side by side; `pooling: max` is usual.

    Source: Kim 2014, Convolutional Neural Networks for Sentence Classification.
    """

    widths: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = Field(
        (3, 4, 5), description="words per window"
    )
    num_filters: int = Field(100, ge=1, description="filters of each width")
    activation: Literal["relu", "tanh", "sigmoid"] = Field("relu", description="applied to what a filter sees")

    def build(self, embedding: Embedding) -> Cnn:
        from textune.models.nets.cnn import Cnn

        return Cnn(self, embedding)
