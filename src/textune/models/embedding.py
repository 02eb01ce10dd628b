"""Embedding `vectors`: one trained vector per token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from textune.models.base import EmbeddingConfig, WordVectors
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.embedding import VectorsEmbedding

__all__ = ["VectorsConfig"]


@register("embedding", "vectors")
class VectorsConfig(EmbeddingConfig):
    """One vector per token, drawn at random or read from a word-vector file, and trained further or not."""

    size: int = Field(100, ge=1, description="numbers per vector; the word vectors' own size where a file is given")
    vectors: str | None = Field(
        None, description="word-vector file, GloVe or fastText text format; null: random vectors"
    )
    trainable: bool = Field(True, description="whether training changes the vectors")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the vectors' values set to zero in training")

    @property
    def vector_file(self) -> str | None:
        return self.vectors

    @property
    def vector_size(self) -> int:
        return self.size

    def build(self, tokens: Sequence[str], vectors: WordVectors | None) -> VectorsEmbedding:
        from textune.models.nets.embedding import VectorsEmbedding

        return VectorsEmbedding(self, len(tokens), vectors)
