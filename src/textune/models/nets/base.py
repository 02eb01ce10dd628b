"""The modules of a text classifier, and how they are put together."""

# B batch, T tokens, D width, K classes, N texts, L token ids of all texts together

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Embedding", "Encoder", "Head", "Pooling", "TextClassifier"]


class Embedding(nn.Module, ABC):
    """ids_BT (int64) → vectors_BTD. Vectors of padding are zero.

    Tables of rows, here and in encoders, are `nn.Embedding`: training may switch on their `sparse`, so that a step
    costs what its batch touches.
    """

    num_tokens: int
    output_size: int

    @abstractmethod
    def forward(self, ids_BT: Tensor) -> Tensor: ...

    def weighted_sum(self, ids_BT: Tensor, weights_BT: Tensor) -> Tensor:
        """Returns Σ_T weight · vector, vectors_BD; a kind may do it without building vectors_BTD."""
        vectors_BTD: Tensor = self(ids_BT)
        return torch.einsum("btd,bt->bd", vectors_BTD, weights_BT.to(vectors_BTD.dtype))


class Encoder(nn.Module, ABC):
    """(ids_BT, mask_BT) → (hidden_BTD, mask_BT).

    mask_BT is bool, True on tokens; padding stands at the end of each row; every row has at least one token.
    An encoder may return another T, mask included (a bag of words returns one vector per text, T = 1).
    What it returns for a text does not depend on how much padding the batch has.
    """

    states_ND: NDArray[np.floating] | None = None
    """What `frozen_states` gave for each token of a data set: `forward` goes on from there, ids being places in it."""

    output_size: int
    most_tokens: int | None = None  # of a text that it can read; None: any number
    first_only: bool = False  # whether only the first vector of each text is read: others may then be left out
    tokens_per_batch: int = 2**14  # of batches that are only evaluated: how many suit it best
    backward_size: int = 0  # how many of them, the last ones, were read from the end of the text

    @abstractmethod
    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]: ...

    def layers_upwards(self) -> Sequence[nn.Module]:
        """Returns its layers, the lowest first, for learning rates by layer; none: all of it is one layer.

        What stands in none of them is part of the highest.
        """
        return ()

    def frozen_key(self) -> str | None:
        """Returns what names, by content, the first layers that no training changes.

        None if there are none, or if `forward` cannot go on from what they give.
        """
        return None

    def frozen_states(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Returns what these layers make of the tokens, text by text without padding: states_LD."""
        raise NotImplementedError

    def adapt(self, ids_L: NDArray[np.integer], offsets_N1: NDArray[np.int64]) -> None:
        """Called once before training with the train texts, cut as in training: the place to count what they hold.

        What it learns stands in buffers, so that it is saved with the weights.
        Text i is `ids_L[offsets_N1[i]:offsets_N1[i + 1]]`.
        """


class Pooling(nn.Module, ABC):
    """(hidden_BTD, mask_BT) → pooled_BD.

    After each forward in training `penalty` holds a scalar to add to the loss, or None.
    """

    output_size: int
    first_only: bool = False  # whether nothing but the first vector of each text is read
    penalty: Tensor | None = None

    @abstractmethod
    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor: ...


class Head(nn.Module, ABC):
    """pooled_BD → logits_BK (float32)."""

    @abstractmethod
    def forward(self, pooled_BD: Tensor) -> Tensor: ...


class TextClassifier(nn.Module):
    """(ids_BT, mask_BT) → logits_BK."""

    def __init__(self, encoder: Encoder, pooling: Pooling, head: Head) -> None:
        super().__init__()
        self.encoder, self.pooling, self.head = encoder, pooling, head
        encoder.first_only = pooling.first_only

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        hidden_BTD, mask_BT = self.encoder(ids_BT, mask_BT)
        logits_BK: Tensor = self.head(self.pooling(hidden_BTD, mask_BT))
        return logits_BK

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
