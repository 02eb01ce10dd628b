"""Which words and word n-grams a text holds."""

# B batch, T tokens, P places of n-grams, D width, V vocabulary, G n-gram buckets, N texts, L tokens of all texts

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from textune.models.base import PADDING
from textune.models.nets.base import Embedding, Encoder
from textune.models.nets.embedding import bag_of_rows, row_table

if TYPE_CHECKING:
    from textune.models.bag_of_words import BagOfWordsConfig

__all__ = ["BagOfWords"]

TEXTS_AT_ONCE = 4096  # bounds the memory that counting takes


class BagOfWords(Encoder):
    """Returns one vector per text: the weighted sum over its distinct words and n-grams.

    The weights are inverse document frequencies (all 1 without TF-IDF), scaled to norm 1 over the text. How often a
    text repeats a word is left out. The rows of n-grams start at zero, so that one never seen in training says nothing.
    """

    idf_V: Tensor
    idf_G: Tensor

    def __init__(self, config: BagOfWordsConfig, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.output_size = embedding.output_size
        self.ngrams, self.tfidf = config.ngrams, config.tfidf
        self.num_buckets = config.ngram_buckets
        self.register_buffer("idf_V", torch.ones(embedding.num_tokens))
        if self.ngrams > 1:
            self.table = row_table(torch.zeros(PADDING + 1 + self.num_buckets, embedding.output_size))
            self.register_buffer("idf_G", torch.ones(self.table.num_embeddings))

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        words_BT = _distinct(ids_BT.masked_fill(~mask_BT, PADDING))
        weights_BT = self.idf_V[words_BT] * (words_BT != PADDING)
        norm_squared_B1 = weights_BT.square().sum(1, keepdim=True)
        if self.ngrams == 1:
            vectors_BD = self.embedding.weighted_sum(words_BT, weights_BT * norm_squared_B1.rsqrt())
        else:
            grams_BP = _distinct(self._buckets_of_all(ids_BT, mask_BT))
            gram_weights_BP = self.idf_G[grams_BP] * (grams_BP != PADDING)
            scale_B1 = (norm_squared_B1 + gram_weights_BP.square().sum(1, keepdim=True)).rsqrt()
            vectors_BD = self.embedding.weighted_sum(words_BT, weights_BT * scale_B1)
            vectors_BD = vectors_BD + bag_of_rows(self.table, grams_BP, gram_weights_BP * scale_B1)
        return vectors_BD[:, None], mask_BT[:, :1]

    def _buckets_of_all(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Returns the buckets of the n-grams that start at each token, buckets_BP; PADDING beyond the text."""
        buckets = []
        for n in range(2, self.ngrams + 1):
            whole_BT = F.pad(mask_BT, (0, n - 1))[:, n - 1 :]
            buckets_BT = _buckets(F.pad(ids_BT, (0, n - 1)), n, self.num_buckets)
            buckets.append(buckets_BT.masked_fill(~whole_BT, PADDING))
        return torch.cat(buckets, 1)

    def adapt(self, ids_L: NDArray[np.integer], offsets_N1: NDArray[np.int64]) -> None:
        if not self.tfidf:
            return
        num_texts = len(offsets_N1) - 1
        counts_V = np.zeros(len(self.idf_V), np.int64)
        counts_G = np.zeros(self.num_buckets + PADDING + 1, np.int64)
        for ids, text in _chunks(ids_L, offsets_N1):
            counts_V += _document_counts(ids, text, len(counts_V))
            for n in range(2, self.ngrams + 1):
                whole = text[: len(text) - n + 1] == text[n - 1 :]
                buckets = _buckets(torch.from_numpy(ids), n, self.num_buckets).numpy()
                counts_G += _document_counts(buckets[whole], text[: len(whole)][whole], len(counts_G))
        self.idf_V.copy_(_inverse_frequencies(counts_V, num_texts))
        if self.ngrams > 1:
            self.idf_G.copy_(_inverse_frequencies(counts_G, num_texts))


def _inverse_frequencies(counts: NDArray[np.int64], num_texts: int) -> Tensor:
    """As scikit-learn smooths them: as if one more text held everything."""
    return torch.from_numpy(np.log((1 + num_texts) / (1 + counts)) + 1)


def _distinct(ids_BP: Tensor) -> Tensor:
    """Returns the ids of each text in ascending order, repeated ones replaced by PADDING."""
    ids_BP = ids_BP.sort(1).values
    repeated = ids_BP[:, 1:] == ids_BP[:, :-1]
    ids_BP[:, 1:].masked_fill_(repeated, PADDING)
    return ids_BP


def _buckets(ids: Tensor, n: int, num_buckets: int) -> Tensor:
    """Returns the bucket, 1 … num_buckets, of the n-gram that starts at each token; ids (…, T) → (…, T - n + 1)."""
    num_places = max(ids.shape[-1] - n + 1, 0)
    keys = ids[..., :num_places]
    for place in range(1, n):
        keys = keys * 0x9E3779B1 + ids[..., place : place + num_places]
    keys = (keys ^ (keys >> 29)) * 0x2545F4914F6CDD1D  # int64 wraps around; the high bits are mixed best
    return (keys >> 24) % num_buckets + 1


def _chunks(
    ids_L: NDArray[np.integer], offsets_N1: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields the token ids of some texts and, for each of them, the number of its text."""
    for start in range(0, len(offsets_N1) - 1, TEXTS_AT_ONCE):
        offsets = offsets_N1[start : start + TEXTS_AT_ONCE + 1]
        ids = ids_L[offsets[0] : offsets[-1]].astype(np.int64)
        yield ids, np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _document_counts(ids: NDArray[np.int64], text: NDArray[np.int64], num_ids: int) -> NDArray[np.int64]:
    """Returns how many texts hold each id."""
    keys = np.sort(text * num_ids + ids)
    first = np.diff(keys, prepend=-1) > 0
    return np.bincount(keys[first] % num_ids, minlength=num_ids)
