"""The contracts of the model roles. Configs import no torch; the modules they build stand in `models.nets`."""

# B batch, T tokens, D width, K classes, V vocabulary

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textune.config.base import Config

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding, Encoder, Head, Pooling

__all__ = ["EmbeddingConfig", "EncoderConfig", "HeadConfig", "PoolingConfig", "Vocabulary"]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id. Id 0 is padding, id 1 stands for every unknown token."""

    tokens: tuple[str, ...]

    PADDING = 0
    UNKNOWN = 1

    def __len__(self) -> int:
        return len(self.tokens)


class EmbeddingConfig(Config):
    @abstractmethod
    def build(self, vocabulary: Vocabulary, folders: tuple[Path, ...]) -> Embedding:
        """Returns the module ids_BT → vectors_BTD; word vectors are looked for in `folders` and cached."""


class EncoderConfig(Config):
    @abstractmethod
    def build(self, embedding: Embedding) -> Encoder:
        """Returns the module (ids_BT, mask_BT) → (hidden_BTD, mask_BT); it owns the embedding, or ignores it."""


class PoolingConfig(Config):
    @abstractmethod
    def build(self, input_size: int) -> Pooling:
        """Returns the module (hidden_BTD, mask_BT) → pooled_BD."""


class HeadConfig(Config):
    @abstractmethod
    def build(self, input_size: int, num_classes: int) -> Head:
        """Returns the module pooled_BD → logits_BK."""
