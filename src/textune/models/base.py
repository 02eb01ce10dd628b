"""The contracts of the model roles. Configs import no torch; the modules they build stand in `models.nets`."""

# B batch, T tokens, D width, K classes, N known tokens

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from textune.config.base import Config

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding, Encoder, Head, Pooling

__all__ = ["PADDING", "EmbeddingConfig", "EncoderConfig", "HeadConfig", "PoolingConfig", "WordVectors"]

PADDING = 0
"""The token id that fills texts up to the longest of their batch."""


class WordVectors(Protocol):
    """Vectors of those tokens of a vocabulary that a word-vector file knows."""

    @property
    def matrix_ND(self) -> NDArray[np.float32]: ...

    @property
    def index_N(self) -> NDArray[np.int64]:
        """The token ids the rows belong to."""


class EmbeddingConfig(Config):
    @property
    def vector_file(self) -> str | None:
        """The word-vector file that `build` wants to be given, if any."""
        return None

    @property
    def vector_size(self) -> int | None:
        """How many numbers each vector of that file must have; None: any number."""
        return None

    @abstractmethod
    def build(self, tokens: Sequence[str], vectors: WordVectors | None) -> Embedding:
        """Returns the module ids_BT → vectors_BTD.

        Args:
            tokens: by id; id 0 is padding.
            vectors: what `vector_file` holds of them; None also where the weights are loaded afterwards.
        """


class EncoderConfig(Config):
    """Base of the encoder kinds.

    `LIBRARIES` are the packages besides torch whose version may change what it computes, `MODULES` what workers of
    studies that name it import beforehand, as `build` would take long to.
    """

    LIBRARIES: ClassVar[tuple[str, ...]] = ()
    MODULES: ClassVar[tuple[str, ...]] = ()

    @property
    def pretrained(self) -> str | None:
        """The pretrained model it goes on from, whose tokens are the only ones it can read; None if there is none."""
        return None

    def located(self, folders: Sequence[Path]) -> EncoderConfig:  # noqa: ARG002 - most read no file
        """Returns the settings with the files they name found; paths are absolute."""
        return self

    def saved(self) -> EncoderConfig:
        """Returns the (located) settings from which a saved model is built, its weights being loaded afterwards."""
        return self

    @abstractmethod
    def build(self, embedding: Embedding) -> Encoder:
        """Returns the module (ids_BT, mask_BT) → (hidden_BTD, mask_BT); it owns the embedding, or ignores it."""


class PoolingConfig(Config):
    @abstractmethod
    def build(self, encoder: Encoder) -> Pooling:
        """Returns the module (hidden_BTD, mask_BT) → pooled_BD for what `encoder` returns."""


class HeadConfig(Config):
    @abstractmethod
    def build(self, input_size: int, num_classes: int) -> Head:
        """Returns the module pooled_BD → logits_BK."""
