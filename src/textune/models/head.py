"""Head `class`: one vector to a score for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from textune.models.base import HeadConfig
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.head import ClassHead

__all__ = ["ClassHeadConfig"]


@register("head", "class")
class ClassHeadConfig(HeadConfig):
    """A linear layer to one output per class, behind dropout and, if wanted, a hidden layer."""

    dropout: float = Field(0.0, ge=0, lt=1, description="share of the text vector's values set to zero in training")
    hidden_size: int | None = Field(None, ge=1, description="width of a hidden layer (relu, dropout); null: none")

    def build(self, input_size: int, num_classes: int) -> ClassHead:
        from textune.models.nets.head import ClassHead

        return ClassHead(self, input_size, num_classes)
